//! A kind as the API serves it, built in or from a custom resource definition.

use serde_json::Value;

use crate::name::GroupResource;

/// Everything the API knows of one kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kind {
    pub(crate) id: GroupResource,
    pub(crate) names: Names,
    pub(crate) scope: Scope,
    /// In the order of preference; the first served one is the preferred one.
    pub(crate) versions: Vec<Version>,
    pub(crate) origin: Origin,
    /// Whether `metadata.generation` is kept.
    pub(crate) generation: bool,
    /// Whether a replace may leave out `metadata.resourceVersion`.
    pub(crate) unconditional_update: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Names {
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) singular: String,
    pub(crate) short: Vec<String>,
    pub(crate) categories: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Cluster,
    Namespaced,
}

impl Scope {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "Cluster",
            Self::Namespaced => "Namespaced",
        }
    }
}

/// One version of a kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Version {
    pub(crate) name: String,
    pub(crate) served: bool,
    pub(crate) storage: bool,
    pub(crate) status: StatusPart,
    /// The `openAPIV3Schema` as given.
    pub(crate) schema: Value,
}

/// Where the status of an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusPart {
    /// With the rest of the object.
    Inline,
    /// At `/status` alone.
    Subresource,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    BuiltIn,
    /// The definition's uid and generation: a watch that was opened under another one ends.
    Definition {
        uid: String,
        generation: u64,
    },
}

/// What can be done with any kind.
pub(crate) const VERBS: [&str; 8] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

impl Kind {
    pub(crate) fn served(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter().filter(|version| version.served)
    }

    pub(crate) fn version(&self, name: &str) -> Option<&Version> {
        self.served().find(|version| version.name == name)
    }
}
