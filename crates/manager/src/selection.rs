//! What a selection of a pipeline means in this catalog. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::Resource;
use pipeline_api::modules::{ForbiddenModule, ModuleKind, ModulesReport};
use pipeline_api::{MetricPipeline, MetricSet, Modules, Selection};
use status_metrics::Set;

use crate::catalog::{Catalog, Module};
use crate::source::{Source, WatchState};

/// The module that brings its `MetricPipeline`s along in the set `resource`, as dashboards of that set expect.
const TELEMETRY: &str = "telemetry";

/// The resources that a pipeline selects, each with the metric sets that are made of it.
pub(crate) fn chosen(catalog: &Catalog, selection: &Selection) -> Vec<(Module, BTreeSet<Set>)> {
    let sets: BTreeSet<Set> = selection.sets.iter().copied().map(set).collect();
    let modules = catalog.modules.iter().filter(|module| selection.modules.contains(&module.name));
    let mut chosen: Vec<_> = modules.map(|module| (module.clone(), sets.clone())).collect();
    let pipelines = pipelines();
    let is_there = catalog.name_of(&pipelines.group, &pipelines.resource).is_some();
    if sets.contains(&Set::Resource) && !is_there && chosen.iter().any(|(module, _)| module.name == TELEMETRY)
    {
        chosen.push((pipelines, [Set::Resource].into()));
    }
    chosen
}

fn pipelines() -> Module {
    Module {
        name: TELEMETRY.to_owned(),
        group: MetricPipeline::group(&()).into_owned(),
        resource: MetricPipeline::plural(&()).into_owned(),
        version: None,
        namespace: None,
    }
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
        for (module, sets) in chosen(catalog, selection) {
            union.entry(module).or_default().extend(sets);
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
    for (module, _) in chosen(catalog, selection) {
        let kind = ModuleKind::new(&module.name, &module.group, &module.resource);
        match source(&module).map_or(WatchState::Pending, |source| source.state()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(sets: &[MetricSet]) -> Selection {
        Selection { modules: Modules::All, sets: sets.iter().copied().collect() }
    }

    fn shown(catalog: &Catalog, sets: &[MetricSet]) -> Vec<String> {
        let chosen = chosen(catalog, &selection(sets)).into_iter();
        chosen
            .map(|(module, sets)| format!("{} {}.{} {sets:?}", module.name, module.resource, module.group))
            .collect()
    }

    #[test]
    fn the_module_telemetry_brings_its_pipelines_along_in_the_set_resource() {
        let mut catalog = Catalog::default();
        assert_eq!(
            shown(&catalog, &[MetricSet::Module]),
            ["telemetry telemetries.operator.kyma-project.io {Module}"]
        );
        assert_eq!(
            shown(&catalog, &[MetricSet::Module, MetricSet::Resource]),
            [
                "telemetry telemetries.operator.kyma-project.io {Module, Resource}",
                "telemetry metricpipelines.telemetry.kyma-project.io {Resource}",
            ]
        );
        catalog.modules.push(pipelines());
        assert_eq!(shown(&catalog, &[MetricSet::Resource]).len(), 2, "the catalog has them: each once");
        catalog.modules.clear();
        assert_eq!(shown(&catalog, &[MetricSet::Resource]), Vec::<String>::new());
    }
}
