//! The table of the manager's own metrics, written once: instruments, `/metrics` and `docs/metrics.md` read it.

/// The name of the instrumentation scope.
pub const SCOPE_NAME: &str = "io.kyma-project.telemetry/manager";

/// One of the manager's own metrics.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct OwnFamily {
    /// The OpenTelemetry name.
    pub name: &'static str,
    /// One sentence, without a full stop.
    pub help: &'static str,
    /// The unit in UCUM.
    pub unit: &'static str,
    /// What kind of metric it is.
    pub kind: OwnKind,
    /// The keys of the attributes.
    pub labels: &'static [&'static str],
}

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnKind {
    /// A value that goes up and down.
    Gauge,
    /// A monotonic sum.
    Counter,
    /// A distribution.
    Histogram,
}

pub(crate) const LEADER: OwnFamily = OwnFamily {
    name: "status.manager.leader",
    help: "Whether this replica leads: 1 if so, else 0",
    unit: "{leader}",
    kind: OwnKind::Gauge,
    labels: &[],
};

pub(crate) const WATCH_SYNCED: OwnFamily = OwnFamily {
    name: "status.manager.watch.synced",
    help: "Whether a resource is listed and watched: 1 if so, else 0",
    unit: "{watch}",
    kind: OwnKind::Gauge,
    labels: &["group", "kind"],
};

pub(crate) const WATCH_ERRORS: OwnFamily = OwnFamily {
    name: "status.manager.watch.errors",
    help: "Lists and watches of a resource that failed",
    unit: "{error}",
    kind: OwnKind::Counter,
    labels: &["group", "kind", "reason"],
};

pub(crate) const PROBLEMS: OwnFamily = OwnFamily {
    name: "status.manager.problems",
    help: "Parts of a status that could not be read",
    unit: "{problem}",
    kind: OwnKind::Counter,
    labels: &["group", "kind", "reason"],
};

pub(crate) const EXPORT_POINTS: OwnFamily = OwnFamily {
    name: "status.manager.export.points",
    help: "Points that a backend accepted, or that were dropped, end markers included",
    unit: "{point}",
    kind: OwnKind::Counter,
    labels: &["pipeline", "outcome"],
};

pub(crate) const EXPORT_DELAY: OwnFamily = OwnFamily {
    name: "status.manager.export.delay",
    help: "Time from a change of a status until the request with it is sent, but for what waits for a complete export",
    unit: "s",
    kind: OwnKind::Histogram,
    labels: &["pipeline"],
};

/// All of them.
pub const OWN_FAMILIES: [OwnFamily; 6] =
    [LEADER, WATCH_SYNCED, WATCH_ERRORS, PROBLEMS, EXPORT_POINTS, EXPORT_DELAY];
