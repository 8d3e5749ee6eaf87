//! What an exporter is to do.

use std::collections::BTreeSet;
use std::sync::Arc;

use pipeline_api::OtlpOutput;
use status_metrics::Set;

use crate::catalog::Module;
use crate::source::Source;

/// What an exporter is to do.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    /// Send this there.
    Send(Arc<Sending>),
    /// Send nothing, and remember how far the backend was told: the configuration is not valid now.
    Hold {
        /// Credentials are gone, and must not be used again.
        revoked: bool,
    },
    /// End every series at the backend, but for what others send there, and stop.
    End(Claims),
    /// Send what is pending, and stop: the series live on under the next leader.
    Drain,
}

/// Series that belong to somebody.
pub(crate) type Claims = BTreeSet<(Module, Set)>;

/// What to send, and where.
#[derive(Debug, PartialEq)]
pub(crate) struct Sending {
    pub(crate) output: Arc<OtlpOutput>,
    pub(crate) selected: Vec<Selected>,
    /// What other pipelines send to the same backend: not to be ended there.
    pub(crate) others: Claims,
}

/// A source, and which of its series are sent.
#[derive(Debug, Clone)]
pub(crate) struct Selected {
    pub(crate) source: Arc<Source>,
    pub(crate) sets: BTreeSet<Set>,
}

impl Sending {
    /// What it sends.
    pub(crate) fn claims(&self) -> impl Iterator<Item = (Module, Set)> {
        self.selected
            .iter()
            .flat_map(|Selected { source, sets }| sets.iter().map(|set| (source.module.clone(), *set)))
    }
}

impl PartialEq for Selected {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.source, &other.source) && self.sets == other.sets
    }
}
