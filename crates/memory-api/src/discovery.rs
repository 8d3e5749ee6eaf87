//! Discovery documents, one by one and aggregated.

use serde_json::{Value, json};

use crate::{
    kind::{Kind, Scope, StatusPart, VERBS, Version},
    name::api_version,
    registry::Registry,
};

/// The media type of aggregated discovery.
pub(crate) const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

pub(crate) fn version() -> Value {
    json!({
        "major": "1",
        "minor": "34",
        "gitVersion": "v1.34.0+memory-api",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": "any",
    })
}

pub(crate) fn core_versions(registry: &Registry) -> Value {
    let versions = registry.versions("");
    json!({"kind": "APIVersions", "versions": versions, "serverAddressByClientCIDRs": []})
}

pub(crate) fn groups(registry: &Registry) -> Value {
    let named = registry.groups().into_iter().filter(|group| !group.is_empty());
    let groups: Vec<Value> = named.filter_map(|name| group(registry, name)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

pub(crate) fn group(registry: &Registry, name: &str) -> Option<Value> {
    let versions: Vec<Value> = registry
        .versions(name)
        .into_iter()
        .map(|version| json!({"groupVersion": api_version(name, version), "version": version}))
        .collect();
    let preferred = versions.first()?;
    Some(json!({
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": name,
        "versions": versions,
        "preferredVersion": preferred,
    }))
}

pub(crate) fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let resources: Vec<Value> =
        registry.of_version(group, version).flat_map(|(kind, version)| entries(kind, version)).collect();
    (!resources.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": api_version(group, version),
            "resources": resources,
        })
    })
}

/// The aggregated document of `/api` or of `/apis`.
pub(crate) fn aggregated(registry: &Registry, wanted: impl Fn(&str) -> bool) -> Value {
    let groups = registry.groups().into_iter().filter(|group| wanted(group));
    let items: Vec<Value> = groups.map(|group| aggregated_group(registry, group)).collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn entries(kind: &Kind, version: &Version) -> Vec<Value> {
    let mut entries = vec![json!({
        "name": kind.id.resource,
        "singularName": kind.names.singular,
        "namespaced": kind.scope == Scope::Namespaced,
        "kind": kind.names.kind,
        "verbs": VERBS,
        "shortNames": kind.names.short,
        "categories": kind.names.categories,
    })];
    if version.status == StatusPart::Subresource {
        entries.push(json!({
            "name": format!("{}/status", kind.id.resource),
            "singularName": "",
            "namespaced": kind.scope == Scope::Namespaced,
            "kind": kind.names.kind,
            "verbs": ["get", "patch", "update"],
        }));
    }
    entries
}

fn aggregated_group(registry: &Registry, group: &str) -> Value {
    let version = |version: &str| {
        let resources: Vec<Value> = registry
            .of_version(group, version)
            .map(|(kind, version)| aggregated_entry(kind, version))
            .collect();
        json!({"version": version, "resources": resources, "freshness": "Current"})
    };
    let versions: Vec<Value> = registry.versions(group).into_iter().map(version).collect();
    json!({"metadata": {"name": group, "creationTimestamp": null}, "versions": versions})
}

fn aggregated_entry(kind: &Kind, version: &Version) -> Value {
    let response = json!({"group": kind.id.group, "version": version.name, "kind": kind.names.kind});
    let mut entry = json!({
        "resource": kind.id.resource,
        "responseKind": response,
        "scope": kind.scope.as_str(),
        "singularResource": kind.names.singular,
        "verbs": VERBS,
        "shortNames": kind.names.short,
        "categories": kind.names.categories,
    });
    if version.status == StatusPart::Subresource {
        let verbs = ["get", "patch", "update"];
        entry["subresources"] = json!([{"subresource": "status", "responseKind": response, "verbs": verbs}]);
    }
    entry
}
