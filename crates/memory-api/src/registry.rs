//! The kinds that are served now.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    builtin,
    kind::{Kind, Version},
    name::GroupResource,
};

/// All kinds, by resource.
#[derive(Debug)]
pub(crate) struct Registry {
    kinds: BTreeMap<GroupResource, Arc<Kind>>,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self { kinds: builtin::kinds().map(|kind| (kind.id.clone(), Arc::new(kind))).collect() }
    }

    pub(crate) fn register(&mut self, kind: Kind) {
        self.kinds.insert(kind.id.clone(), Arc::new(kind));
    }

    pub(crate) fn remove(&mut self, id: &GroupResource) {
        self.kinds.remove(id);
    }

    pub(crate) fn get(&self, id: &GroupResource) -> Option<&Arc<Kind>> {
        self.kinds.get(id)
    }

    /// The kind behind the `apiVersion` and `kind` of an object.
    pub(crate) fn of_object(&self, api_version: &str, kind: &str) -> Option<&Arc<Kind>> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let mut candidates = self.kinds.values();
        candidates.find(|k| k.id.group == group && k.names.kind == kind && k.version(version).is_some())
    }

    /// The groups with something served, core first.
    pub(crate) fn groups(&self) -> BTreeSet<&str> {
        self.kinds.values().filter(|k| k.served().next().is_some()).map(|k| k.id.group.as_str()).collect()
    }

    /// The served versions of a group, the preferred one first.
    pub(crate) fn versions<'a>(&'a self, group: &'a str) -> Vec<&'a str> {
        let mut versions = Vec::new();
        for version in self.of_group(group).flat_map(Kind::served) {
            if !versions.contains(&version.name.as_str()) {
                versions.push(&version.name);
            }
        }
        versions
    }

    /// The kinds of a group and version.
    pub(crate) fn of_version<'a>(
        &'a self,
        group: &'a str,
        version: &'a str,
    ) -> impl Iterator<Item = (&'a Kind, &'a Version)> {
        self.of_group(group).filter_map(move |kind| Some((kind, kind.version(version)?)))
    }

    fn of_group<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Kind> {
        self.kinds.values().map(Arc::as_ref).filter(move |kind| kind.id.group == group)
    }
}
