//! What is read of an object: its metadata and its status, whatever its kind. The spec is never kept.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::DynamicResourceScope;
use kube::discovery::ApiResource;
use serde::Deserialize;
use serde_json::Value;
use status_model::ModuleRef;

/// An object of any kind.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Observed {
    #[serde(default)]
    metadata: ObjectMeta,
    #[serde(default)]
    pub(crate) status: Value,
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
