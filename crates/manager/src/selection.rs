//! What a selection of a pipeline means in this catalog. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pipeline_api::modules::{ForbiddenModule, ModuleKind, ModulesReport};
use pipeline_api::{MetricSet, Modules, Selection};
use status_metrics::Set;

use crate::catalog::{Catalog, Module};
use crate::source::{Source, WatchState};

/// The entries of the catalog that a pipeline selects.
pub(crate) fn modules<'a>(
    catalog: &'a Catalog,
    selection: &'a Selection,
) -> impl Iterator<Item = &'a Module> {
    catalog.modules.iter().filter(|module| selection.modules.contains(&module.name))
}

/// The metric sets that a pipeline selects.
pub(crate) fn sets(selection: &Selection) -> BTreeSet<Set> {
    selection.sets.iter().copied().map(set).collect()
}

fn set(set: MetricSet) -> Set {
    match set {
        MetricSet::Module => Set::Module,
        MetricSet::Resource => Set::Resource,
    }
}

/// The union of what several pipelines select.
pub(crate) fn union<'a>(
    catalog: &'a Catalog,
    selections: impl IntoIterator<Item = &'a Selection>,
) -> BTreeMap<Module, BTreeSet<Set>> {
    let mut union: BTreeMap<Module, BTreeSet<Set>> = BTreeMap::new();
    for selection in selections {
        for module in modules(catalog, selection) {
            union.entry(module.clone()).or_default().extend(sets(selection));
        }
    }
    union
}

/// How observing what a pipeline selects goes.
pub(crate) fn report<'a>(
    catalog: &Catalog,
    selection: &Selection,
    source: impl Fn(&Module) -> Option<&'a Arc<Source>>,
) -> ModulesReport {
    let known: BTreeSet<String> = catalog.modules.iter().map(|module| module.name.clone()).collect();
    let unknown = match &selection.modules {
        Modules::All => BTreeSet::new(),
        Modules::Named(names) => names.difference(&known).cloned().collect(),
    };
    let mut report = ModulesReport { known, unknown, ..ModulesReport::default() };
    for module in modules(catalog, selection) {
        let kind = ModuleKind::new(&module.name, &module.group, &module.resource);
        match source(module).map_or(WatchState::Pending, |source| source.state()) {
            WatchState::Pending => {
                report.pending.insert(kind);
            }
            WatchState::Synced => {
                report.observed.insert(kind);
            }
            WatchState::Forbidden { verb } => {
                let namespace = module.namespace.clone();
                report.forbidden.insert(ForbiddenModule { kind, verb: verb.to_owned(), namespace });
            }
            WatchState::NotInstalled => {
                report.not_installed.insert(kind);
            }
            WatchState::Failed { error } => {
                report.failed.insert((kind, error.to_string()));
            }
        }
    }
    report
}
