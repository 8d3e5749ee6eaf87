//! What is read of an object: its metadata and its status, whatever its kind. The spec is never kept.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::DynamicResourceScope;
use kube::discovery::ApiResource;
use serde::Deserialize;
use serde_json::value::RawValue;
use status_model::{ModuleRef, ModuleStatus, Problem};

/// An object of any kind.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "Wire")]
pub(crate) struct Observed {
    metadata: ObjectMeta,
    status: Option<Box<RawValue>>,
}

/// What is read of it. A status may be nested to any depth, and the managed fields with it: it is kept as text.
#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    metadata: WireMeta,
    #[serde(default)]
    status: Option<Box<RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMeta {
    name: Option<String>,
    namespace: Option<String>,
    resource_version: Option<String>,
}

impl From<Wire> for Observed {
    fn from(Wire { metadata: WireMeta { name, namespace, resource_version }, status }: Wire) -> Self {
        let metadata = ObjectMeta { name, namespace, resource_version, ..ObjectMeta::default() };
        Self { metadata, status }
    }
}

impl Observed {
    /// The object as the resource of a module.
    pub(crate) fn module_ref(&self, module: &str, kind: &ApiResource) -> ModuleRef {
        let name = self.metadata.name.as_deref().unwrap_or_default();
        let object = ModuleRef::new(&kind.group, &kind.version, &kind.kind, name)
            .with_module(module)
            .with_plural(&kind.plural);
        match &self.metadata.namespace {
            Some(namespace) => object.with_namespace(namespace),
            None => object,
        }
    }
}

impl Observed {
    /// What it says about itself.
    pub(crate) fn read(&self) -> (ModuleStatus, Vec<Problem>) {
        status_model::parse_text(self.status.as_ref().map_or("null", |status| status.get()))
    }
}

impl Resource for Observed {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(kind: &ApiResource) -> Cow<'_, str> {
        kind.kind.as_str().into()
    }

    fn group(kind: &ApiResource) -> Cow<'_, str> {
        kind.group.as_str().into()
    }

    fn version(kind: &ApiResource) -> Cow<'_, str> {
        kind.version.as_str().into()
    }

    fn api_version(kind: &ApiResource) -> Cow<'_, str> {
        kind.api_version.as_str().into()
    }

    fn plural(kind: &ApiResource) -> Cow<'_, str> {
        kind.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt;
    use kube::core::{ObjectList, WatchEvent};
    use status_model::State;

    use super::*;

    /// An object as the API server sends it, nested far deeper than a JSON value in memory may be.
    fn deep() -> String {
        let deep = "{\"f:a\":".repeat(5_000) + "{}" + &"}".repeat(5_000);
        format!(
            r#"{{"apiVersion": "g.io/v1", "kind": "Keda", "metadata": {{"name": "default", "resourceVersion": "7",
            "managedFields": [{{"fieldsV1": {deep}}}]}}, "spec": {deep}, "status": {{"deep": {deep}, "state": "Ready"}}}}"#
        )
    }

    fn check(object: &Observed) {
        assert_eq!(
            (object.name_any().as_str(), object.resource_version().as_deref()),
            ("default", Some("7"))
        );
        let (status, problems) = object.read();
        assert_eq!((status.state, problems), (Some(State::Ready), Vec::new()));
    }

    #[test]
    fn an_object_of_any_depth_is_read_from_a_list_and_from_a_watch() {
        let list = format!(
            r#"{{"apiVersion": "g.io/v1", "kind": "KedaList", "metadata": {{}}, "items": [{}]}}"#,
            deep()
        );
        let list: ObjectList<Observed> = serde_json::from_str(&list).unwrap();
        check(&list.items[0]);
        let event = format!(r#"{{"type": "MODIFIED", "object": {}}}"#, deep());
        match serde_json::from_str(&event).unwrap() {
            WatchEvent::Modified(object) => check(&object),
            other => panic!("not a modification: {other:?}"),
        }
    }

    #[test]
    fn an_object_without_a_status_says_so() {
        let object: Observed = serde_json::from_str(r#"{"metadata": {"name": "a"}}"#).unwrap();
        assert_eq!(object.read().1, [Problem::StatusMissing]);
        let object: Observed =
            serde_json::from_str(r#"{"metadata": {"name": "a"}, "status": null}"#).unwrap();
        assert_eq!(object.read().1, [Problem::StatusMissing]);
    }
}
