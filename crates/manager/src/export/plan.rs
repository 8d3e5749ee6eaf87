//! What an exporter is to do.

use std::collections::BTreeSet;
use std::sync::Arc;

use pipeline_api::OtlpOutput;
use status_metrics::Set;

use crate::source::Source;

/// What an exporter is to do.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    /// Send this there.
    Send(Arc<Sending>),
    /// Send nothing, and remember how far the backend was told: the configuration is not valid now.
    Hold,
    /// End every series at the backend, and stop.
    End,
    /// Send what is pending, and stop: the series live on under the next leader.
    Drain,
}

/// What to send, and where.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) output: OtlpOutput,
    pub(crate) selected: Vec<Selected>,
}

/// A source, and which of its series are sent.
#[derive(Debug, Clone)]
pub(crate) struct Selected {
    pub(crate) source: Arc<Source>,
    pub(crate) sets: BTreeSet<Set>,
}

impl PartialEq for Selected {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.source, &other.source) && self.sets == other.sets
    }
}

impl PartialEq for Sending {
    fn eq(&self, other: &Self) -> bool {
        self.output == other.output && self.selected == other.selected
    }
}
