//! The kinds that are there without a custom resource definition.

use serde_json::json;

use crate::{
    kind::{Kind, Names, Origin, Scope, StatusPart, Version},
    name::GroupResource,
};

pub(crate) const NAMESPACES: &str = "namespaces";
pub(crate) const DEFINITIONS: &str = "customresourcedefinitions";

/// One row a kind: group, version, plural, kind, short names, scope, status.
type Row =
    (&'static str, &'static str, &'static str, &'static str, &'static [&'static str], Scope, StatusPart);

const TABLE: [Row; 9] = [
    ("", "v1", "configmaps", "ConfigMap", &["cm"], Scope::Namespaced, StatusPart::Inline),
    ("", "v1", "events", "Event", &["ev"], Scope::Namespaced, StatusPart::Inline),
    ("", "v1", NAMESPACES, "Namespace", &["ns"], Scope::Cluster, StatusPart::Subresource),
    ("", "v1", "pods", "Pod", &["po"], Scope::Namespaced, StatusPart::Subresource),
    ("", "v1", "secrets", "Secret", &[], Scope::Namespaced, StatusPart::Inline),
    ("", "v1", "serviceaccounts", "ServiceAccount", &["sa"], Scope::Namespaced, StatusPart::Inline),
    (
        "apiextensions.k8s.io",
        "v1",
        DEFINITIONS,
        "CustomResourceDefinition",
        &["crd", "crds"],
        Scope::Cluster,
        StatusPart::Subresource,
    ),
    ("coordination.k8s.io", "v1", "leases", "Lease", &[], Scope::Namespaced, StatusPart::Inline),
    ("events.k8s.io", "v1", "events", "Event", &["ev"], Scope::Namespaced, StatusPart::Inline),
];

pub(crate) fn kinds() -> impl Iterator<Item = Kind> {
    TABLE.iter().map(from_row)
}

fn from_row((group, version, plural, kind, short, scope, status): &Row) -> Kind {
    Kind {
        id: GroupResource::new(group, plural),
        names: Names {
            kind: (*kind).to_owned(),
            list_kind: format!("{kind}List"),
            singular: kind.to_lowercase(),
            short: short.iter().map(|&name| name.to_owned()).collect(),
            categories: Vec::new(),
        },
        scope: *scope,
        versions: vec![Version {
            name: (*version).to_owned(),
            served: true,
            storage: true,
            status: *status,
            schema: json!({"type": "object"}),
        }],
        origin: Origin::BuiltIn,
        generation: *plural == DEFINITIONS,
        // As the strategies of the real API server say for each of them.
        unconditional_update: !matches!(*plural, "leases" | DEFINITIONS),
    }
}
