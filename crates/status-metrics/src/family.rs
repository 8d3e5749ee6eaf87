//! The table of families: every metric of the metric sets, written once. Encoders, `docs/metrics.md`, rules and
//! dashboards read it.

/// The name of the OTLP instrumentation scope of all metric sets.
pub const SCOPE_NAME: &str = "io.kyma-project.telemetry/kyma";

/// The version of the table of families, which is the scope's version. It moves only when a family changes its meaning,
/// so that an upgrade renames no series.
pub const SCOPE_VERSION: &str = "1";

/// One metric.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Family {
    /// The OpenTelemetry name, with dots. Its name in the text formats is what Prometheus' default translation makes of the
    /// pushed metric: dots become underscores, and a unit in braces adds nothing. The unit `1` adds nothing either, although
    /// Prometheus appends `_ratio` to what is pushed.
    pub name: &'static str,
    /// One sentence, without a full stop.
    pub help: &'static str,
    /// The unit in UCUM, as OTLP has it.
    pub unit: &'static str,
    /// What kind of metric it is.
    pub type_: FamilyType,
    /// The keys of the attributes that each point carries, sorted; those of `context` are not repeated here.
    pub labels: &'static [&'static str],
    /// The keys of the attributes that say where the point comes from, sorted. A key that has no value is left out.
    pub context: &'static [&'static str],
}

/// The kind of a metric, in OpenTelemetry's sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FamilyType {
    /// A value that goes up and down.
    Gauge,
}

pub(crate) const CLUSTER_NAME: &str = "k8s.cluster.name";
pub(crate) const NAMESPACE_NAME: &str = "k8s.namespace.name";
pub(crate) const RESOURCE_KIND: &str = "k8s.resource.kind";
pub(crate) const RESOURCE_NAME: &str = "k8s.resource.name";

/// What every point about an object carries, because backends drop resource attributes.
const CONTEXT: &[&str] = &[CLUSTER_NAME, NAMESPACE_NAME, RESOURCE_KIND, RESOURCE_NAME];

pub(crate) static MODULE_STATE: Family = Family {
    name: "kyma.module.status.state",
    help: "State of a module: 1 if it is Ready, else 0",
    unit: "{module}",
    type_: FamilyType::Gauge,
    labels: &["name", "state"],
    context: CONTEXT,
};

pub(crate) static MODULE_CONDITION: Family = Family {
    name: "kyma.module.status.condition",
    help: "Condition of a module: 1 if its status is True, else 0",
    unit: "{condition}",
    type_: FamilyType::Gauge,
    labels: &["name", "reason", "status", "type"],
    context: CONTEXT,
};

pub(crate) static RESOURCE_STATE: Family = Family {
    name: "kyma.resource.status.state",
    help: "State of a resource; always 1",
    unit: "1",
    type_: FamilyType::Gauge,
    labels: &["group", "kind", "name", "namespace", "state", "version"],
    context: &[CLUSTER_NAME],
};

pub(crate) static RESOURCE_CONDITIONS: Family = Family {
    name: "kyma.resource.status.conditions",
    help: "Condition of a resource: 1 if its status is True, 0 if False, else -1",
    unit: "1",
    type_: FamilyType::Gauge,
    labels: &["group", "kind", "name", "namespace", "reason", "status", "type", "version"],
    context: &[CLUSTER_NAME],
};

/// The families in the order of an exposition.
static FAMILIES: [&Family; 4] = [&MODULE_STATE, &MODULE_CONDITION, &RESOURCE_STATE, &RESOURCE_CONDITIONS];

impl Family {
    /// All families, in the order in which an exposition shows them.
    pub fn all() -> &'static [&'static Self] {
        &FAMILIES
    }

    /// The place of this family in [`Family::all`].
    pub(crate) fn position(&self) -> usize {
        FAMILIES.iter().position(|family| std::ptr::eq(*family, self)).unwrap_or(FAMILIES.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_and_names_become_valid_text_names() {
        for family in Family::all() {
            assert!(family.labels.is_sorted(), "{}", family.name);
            assert!(family.context.is_sorted(), "{}", family.name);
            let valid = |name: &str| {
                name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c))
            };
            assert!(valid(family.name), "{}", family.name);
            assert!(family.labels.iter().chain(family.context).all(|key| valid(key)), "{}", family.name);
        }
    }
}
