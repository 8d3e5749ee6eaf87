//! Objects in the form in which a request gets them.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    kind::{Kind, Origin},
    name::api_version,
};

/// How much of an object is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Full,
    /// `PartialObjectMetadata`
    Metadata,
}

impl Shape {
    /// The first form in an `Accept` header that is known here; tables are not.
    pub(crate) fn of(accept: &str) -> Self {
        let known = accept.split(',').find_map(|form| {
            let mut parameters = form.split(';').map(str::trim).filter_map(|part| part.strip_prefix("as="));
            match parameters.next() {
                Some("PartialObjectMetadata" | "PartialObjectMetadataList") => Some(Self::Metadata),
                Some(_) => None,
                None => Some(Self::Full),
            }
        });
        known.unwrap_or(Self::Full)
    }
}

/// One kind in one version and shape.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub(crate) kind: Arc<Kind>,
    pub(crate) version: String,
    pub(crate) shape: Shape,
}

/// A page of a list.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) items: Vec<Arc<Value>>,
    pub(crate) revision: u64,
    pub(crate) next: Option<String>,
    pub(crate) remaining: usize,
}

impl Form {
    fn api_version(&self) -> String {
        api_version(&self.kind.id.group, &self.version)
    }

    /// Stored objects have the version in which they were created; only that is rewritten.
    pub(crate) fn object(&self, object: &Value) -> Value {
        match self.shape {
            Shape::Metadata => json!({
                "apiVersion": "meta.k8s.io/v1",
                "kind": "PartialObjectMetadata",
                "metadata": object["metadata"],
            }),
            Shape::Full => {
                let mut object = object.clone();
                object["apiVersion"] = self.api_version().into();
                object
            }
        }
    }

    pub(crate) fn list(&self, page: Page) -> Value {
        let mut metadata = json!({"resourceVersion": page.revision.to_string()});
        if let Some(next) = page.next {
            metadata["continue"] = next.into();
            metadata["remainingItemCount"] = page.remaining.into();
        }
        let (api_version, kind) = match self.shape {
            Shape::Full => (self.api_version(), self.kind.names.list_kind.as_str()),
            Shape::Metadata => ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadataList"),
        };
        let items: Vec<Value> = page.items.iter().map(|object| self.item(object)).collect();
        json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "items": items})
    }

    /// Built-in kinds have no apiVersion and kind in the items of a list.
    fn item(&self, object: &Value) -> Value {
        let mut item = self.object(object);
        if let (Shape::Full, Origin::BuiltIn, Some(fields)) =
            (self.shape, &self.kind.origin, item.as_object_mut())
        {
            fields.remove("apiVersion");
            fields.remove("kind");
        }
        item
    }

    /// An object in a watch, at the revision of the event: a deletion has its own.
    pub(crate) fn event(&self, event: &str, object: &Value, revision: u64) -> Value {
        let mut object = self.object(object);
        object["metadata"]["resourceVersion"] = revision.to_string().into();
        json!({"type": event, "object": object})
    }

    /// A bookmark, with the annotation that ends the initial events of a streaming list where it does.
    pub(crate) fn bookmark(&self, revision: u64, annotations: &Value) -> Value {
        let mut metadata = json!({"resourceVersion": revision.to_string(), "creationTimestamp": null});
        if !annotations.is_null() {
            metadata["annotations"] = annotations.clone();
        }
        let (api_version, kind) = match self.shape {
            Shape::Full => (self.api_version(), self.kind.names.kind.as_str()),
            Shape::Metadata => ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadata"),
        };
        json!({"type": "BOOKMARK", "object": {"apiVersion": api_version, "kind": kind, "metadata": metadata}})
    }
}
