//! `/openapi/v3`: the schemas of what is served, as they were given.

use serde_json::{Map, Value, json};

use crate::{kind::Kind, name::api_version, registry::Registry};

/// The index: one document a group and version.
pub(crate) fn index(registry: &Registry) -> Value {
    let mut paths = Map::new();
    for group in registry.groups() {
        for version in registry.versions(group) {
            let path = match group {
                "" => format!("api/{version}"),
                group => format!("apis/{}", api_version(group, version)),
            };
            let url = format!("/openapi/v3/{path}");
            paths.insert(path, json!({"serverRelativeURL": url}));
        }
    }
    json!({"paths": paths})
}

/// The document of a group and version; it describes kinds, not paths.
pub(crate) fn document(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let schemas: Map<String, Value> = registry
        .of_version(group, version)
        .map(|(kind, version)| (component(kind, &version.name), schema(kind, &version.name, &version.schema)))
        .collect();
    (!schemas.is_empty()).then(|| {
        json!({
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"},
            "paths": {},
            "components": {"schemas": schemas},
        })
    })
}

/// `io.kyma-project.operator.v1alpha1.Telemetry`: the group reversed, version and kind.
fn component(kind: &Kind, version: &str) -> String {
    let group = match kind.id.group.as_str() {
        "" => "io.k8s.api.core".to_owned(),
        group => group.rsplit('.').collect::<Vec<_>>().join("."),
    };
    format!("{group}.{version}.{}", kind.names.kind)
}

fn schema(kind: &Kind, version: &str, given: &Value) -> Value {
    let mut schema = if given.is_object() { given.clone() } else { json!({"type": "object"}) };
    schema["x-kubernetes-group-version-kind"] =
        json!([{"group": kind.id.group, "version": version, "kind": kind.names.kind}]);
    schema
}
