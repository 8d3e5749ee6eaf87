//! How the observation of a pipeline's modules goes.

use std::collections::BTreeSet;
use std::fmt;

use crate::condition::{ConditionStatus, Reason};
use crate::text;

/// The label with which a `ClusterRole` adds its rules to those of the manager.
const AGGREGATE_LABEL: &str = "telemetry.kyma-project.io/aggregate-to-module-reader: \"true\"";

/// How the observation of the selected modules goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModulesObservation {
    /// The catalog is not known yet, or nothing was listed yet.
    Pending,
    /// What is known, module by module.
    Report(ModulesReport),
}

/// What is known about the selected modules. Only what the pipeline selects belongs in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModulesReport {
    /// The names of all modules of the catalog, selected or not.
    pub known: BTreeSet<String>,
    /// Selected names that the catalog does not have.
    pub unknown: BTreeSet<String>,
    /// What may not be listed or watched.
    pub forbidden: BTreeSet<ForbiddenModule>,
    /// What the API server does not serve.
    pub not_installed: BTreeSet<ModuleKind>,
    /// What could not be watched for another reason, and the error. It is tried again.
    pub failed: BTreeSet<(ModuleKind, String)>,
    /// What was not listed yet.
    pub pending: BTreeSet<ModuleKind>,
    /// What is listed and watched.
    pub observed: BTreeSet<ModuleKind>,
}

/// A module, and the resource that has its status.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModuleKind {
    /// The module's name.
    pub module: String,
    /// The API group of the resource.
    pub group: String,
    /// The plural of the resource.
    pub resource: String,
}

/// A right that is missing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForbiddenModule {
    /// The module.
    pub kind: ModuleKind,
    /// The verb that was refused, `list` or `watch`.
    pub verb: String,
    /// The namespace in which it was refused; `None` for all.
    pub namespace: Option<String>,
}

impl ModuleKind {
    /// The resource `resource.group` of the module `module`.
    pub fn new(module: impl Into<String>, group: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { module: module.into(), group: group.into(), resource: resource.into() }
    }
}

impl fmt::Display for ModuleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}.{})", self.module, self.resource, self.group)
    }
}

impl ModulesObservation {
    pub(crate) fn verdict(&self) -> (ConditionStatus, Reason, String) {
        match self {
            Self::Pending => (
                ConditionStatus::Unknown,
                Reason::ListsPending,
                "The modules have not been listed yet.".to_owned(),
            ),
            Self::Report(report) => report.verdict(),
        }
    }
}

impl ModulesReport {
    /// The first reason by order, and a sentence for every module that is not observed.
    fn verdict(&self) -> (ConditionStatus, Reason, String) {
        let mut findings: Vec<(Reason, String)> = Vec::new();
        findings.extend(self.unknown_message().map(|message| (Reason::UnknownModule, message)));
        let forbidden = self.forbidden.iter().map(|module| (Reason::ModuleForbidden, module.message()));
        findings.extend(forbidden);
        findings.extend(self.not_installed_message().map(|message| (Reason::ModuleNotInstalled, message)));
        findings.extend(self.failed.iter().map(|failed| (Reason::WatchFailed, failed_message(failed))));
        let broken = !findings.is_empty();
        findings.extend(self.pending_message().map(|message| (Reason::ListsPending, message)));

        let Some((reason, _)) = findings.first() else { return self.good() };
        let status = if broken { ConditionStatus::False } else { ConditionStatus::Unknown };
        let messages: Vec<&str> = findings.iter().map(|(_, message)| message.as_str()).collect();
        (status, *reason, messages.join(" "))
    }

    fn good(&self) -> (ConditionStatus, Reason, String) {
        if self.observed.is_empty() {
            let message = "The catalog of the manager has no modules, so that there is nothing to observe.";
            return (ConditionStatus::True, Reason::NoModulesSelected, message.to_owned());
        }
        let modules: BTreeSet<&str> = self.observed.iter().map(|kind| kind.module.as_str()).collect();
        let message = format!("All selected modules are observed: {}.", text::list(modules));
        (ConditionStatus::True, Reason::AllModulesObserved, message)
    }

    fn unknown_message(&self) -> Option<String> {
        let (noun, verb) = match self.unknown.len() {
            0 => return None,
            1 => ("Module", "is"),
            _ => ("Modules", "are"),
        };
        let unknown = text::list(self.unknown.iter().map(|name| text::quoted(name)));
        let known = if self.known.is_empty() {
            "the catalog is empty".to_owned()
        } else {
            let verb = if self.known.len() == 1 { "is" } else { "are" };
            format!("known {verb} {}", text::list(&self.known))
        };
        Some(format!("{noun} {unknown} {verb} not in the catalog of the manager; {known}."))
    }

    fn not_installed_message(&self) -> Option<String> {
        let kinds: Vec<String> = self.not_installed.iter().map(ToString::to_string).collect();
        let verb = if kinds.len() == 1 { "is" } else { "are" };
        let list = text::list(&kinds);
        (!kinds.is_empty()).then(|| format!("Not installed in the cluster {verb} {list}."))
    }

    fn pending_message(&self) -> Option<String> {
        let kinds: Vec<String> = self.pending.iter().map(ToString::to_string).collect();
        (!kinds.is_empty()).then(|| format!("Not listed yet: {}.", text::list(&kinds)))
    }
}

impl ForbiddenModule {
    fn message(&self) -> String {
        let ModuleKind { module, group, resource } = &self.kind;
        let scope = self
            .namespace
            .as_ref()
            .map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
        format!(
            "Module {module} is forbidden: the manager may not {verb} {resource}.{group}{scope}. Add the rule \
             {{apiGroups: [\"{group}\"], resources: [\"{resource}\"], verbs: [\"list\", \"watch\"]}} to a ClusterRole \
             with the label {AGGREGATE_LABEL}.",
            verb = self.verb
        )
    }
}

fn failed_message((kind, error): &(ModuleKind, String)) -> String {
    format!(
        "The watch of {kind} fails and is tried again; the last known status goes on being sent: {}.",
        text::quoted(error)
    )
}
