//! What the API server makes of an object before it is stored.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use crate::{
    kind::{Kind, Origin, StatusPart, Version},
    name::Key,
};

/// The part of an object that a request writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Everything, or everything but the status where that is a subresource.
    Main,
    /// The status alone.
    Status,
}

/// The fields of metadata that the server alone writes.
const SERVER_FIELDS: [&str; 6] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// A new object, ready to be stored.
pub(crate) fn for_create(
    kind: &Kind,
    version: &Version,
    key: &Key,
    mut object: Value,
    birth: Birth<'_>,
) -> Value {
    if version.status == StatusPart::Subresource {
        remove(&mut object, "status");
    }
    let metadata = metadata(&mut object);
    for field in SERVER_FIELDS.iter().chain(&["managedFields", "selfLink"]) {
        metadata.remove(*field);
    }
    metadata.insert("name".to_owned(), key.name.as_str().into());
    if !key.namespace.is_empty() {
        metadata.insert("namespace".to_owned(), key.namespace.as_str().into());
    }
    metadata.insert("uid".to_owned(), birth.uid.into());
    metadata.insert("creationTimestamp".to_owned(), birth.now.into());
    if kind.generation {
        metadata.insert("generation".to_owned(), 1.into());
    }
    complete(kind, &mut object);
    object
}

/// What a new object gets from outside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Birth<'a> {
    pub(crate) uid: &'a str,
    pub(crate) now: &'a str,
}

/// The object that an update leaves behind, with the resourceVersion of the old one.
pub(crate) fn for_update(kind: &Kind, version: &Version, part: Part, old: &Value, new: Value) -> Value {
    let mut object = match (part, version.status) {
        (Part::Status, _) => with_field(old.clone(), "status", &new),
        (Part::Main, StatusPart::Subresource) => with_field(new, "status", old),
        (Part::Main, StatusPart::Inline) => new,
    };
    let metadata = metadata(&mut object);
    metadata.remove("managedFields");
    for field in SERVER_FIELDS.iter().chain(&["name", "namespace"]) {
        match &old["metadata"][*field] {
            Value::Null => metadata.remove(*field),
            value => metadata.insert((*field).to_owned(), value.clone()),
        };
    }
    for field in ["apiVersion", "kind"] {
        object[field] = old[field].clone();
    }
    complete(kind, &mut object);
    if kind.generation && part == Part::Main && counts(version, old) != counts(version, &object) {
        let generation = old["metadata"]["generation"].as_u64().unwrap_or_default();
        object["metadata"]["generation"] = (generation + 1).into();
    }
    object
}

/// An object that waits for its finalizers.
pub(crate) fn for_deletion(kind: &Kind, old: &Value, now: &str) -> Value {
    let mut object = old.clone();
    object["metadata"]["deletionTimestamp"] = now.into();
    object["metadata"]["deletionGracePeriodSeconds"] = 0.into();
    if kind.generation {
        let generation = old["metadata"]["generation"].as_u64().unwrap_or_default();
        object["metadata"]["generation"] = (generation + 1).into();
    }
    object
}

pub(crate) fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty())
}

pub(crate) fn is_deleting(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// What a manager can apply: its own fields, without those of the server and of the other part.
pub(crate) fn applicable(version: &Version, part: Part, mut object: Value) -> Value {
    if part == Part::Status {
        return json!({"status": object["status"].take()});
    }
    if version.status == StatusPart::Subresource {
        remove(&mut object, "status");
    }
    let metadata = metadata(&mut object);
    for field in SERVER_FIELDS.iter().chain(&["managedFields", "selfLink", "generateName"]) {
        metadata.remove(*field);
    }
    object
}

fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    object["metadata"].as_object_mut().expect("made a map above")
}

fn remove(object: &mut Value, field: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove(field);
    }
}

/// `object` with a field as `source` has it.
fn with_field(mut object: Value, field: &str, source: &Value) -> Value {
    match &source[field] {
        Value::Null => remove(&mut object, field),
        value => object[field] = value.clone(),
    }
    object
}

/// What counts for `metadata.generation`: all but the metadata and a status with an endpoint of its own.
fn counts(version: &Version, object: &Value) -> Value {
    let mut counted = object.clone();
    remove(&mut counted, "metadata");
    if version.status == StatusPart::Subresource {
        remove(&mut counted, "status");
    }
    counted
}

/// The defaults that clients rely on; nothing else is defaulted.
fn complete(kind: &Kind, object: &mut Value) {
    if kind.origin != Origin::BuiltIn {
        return;
    }
    match kind.names.kind.as_str() {
        "Secret" => complete_secret(object),
        "Namespace" => {
            let name = object["metadata"]["name"].clone();
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
            object["status"] = json!({"phase": "Active"});
        }
        _ => {}
    }
}

/// `stringData` becomes `data`, and the type `Opaque` where there is none.
fn complete_secret(secret: &mut Value) {
    if let Some(Value::Object(texts)) = secret.as_object_mut().and_then(|fields| fields.remove("stringData"))
    {
        for (key, text) in texts {
            secret["data"][key] = STANDARD.encode(text.as_str().unwrap_or_default()).into();
        }
    }
    if secret["type"].is_null() {
        secret["type"] = "Opaque".into();
    }
}
