//! A term of leadership: the time in which this replica is the one voice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// A term, from the moment that this replica took the Lease until it reads a Lease with another holder. Within it, the right
/// to speak ends and comes back with each renewal; it is asked before each send.
#[derive(Debug, Clone)]
pub(crate) struct Term(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Until when this replica may speak; `None`: as long as the process lives.
    until: watch::Sender<Option<Instant>>,
    /// The newest time that any point was stamped with, or could have been by the last holder.
    stamped_ms: AtomicU64,
}

impl Term {
    /// A term whose points are all later than `floor_ms`.
    pub(crate) fn new(until: Option<Instant>, floor_ms: u64) -> Self {
        Self(Arc::new(Inner { until: watch::Sender::new(until), stamped_ms: AtomicU64::new(floor_ms) }))
    }

    /// The Lease was renewed.
    pub(crate) fn renewed(&self, until: Instant) {
        self.0.until.send_replace(Some(until));
    }

    /// Nothing more may be said in this term.
    pub(crate) fn end(&self) {
        self.0.until.send_replace(Some(Instant::now()));
    }

    /// How long this replica may still speak; `None` if it may not.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        match *self.0.until.borrow() {
            None => Some(Duration::MAX),
            Some(until) => until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()),
        }
    }

    /// Waits until this replica may speak; at once if it may.
    pub(crate) async fn may_speak(&self) {
        let mut until = self.0.until.subscribe();
        while self.time_left().is_none() {
            // The sender lives as long as this handle.
            let _ = until.changed().await;
        }
    }

    /// The newest time of any point so far.
    pub(crate) fn stamped_ms(&self) -> u64 {
        self.0.stamped_ms.load(Ordering::Acquire)
    }

    /// Points up to this time are about to be sent.
    pub(crate) fn stamp(&self, ms: u64) {
        self.0.stamped_ms.fetch_max(ms, Ordering::AcqRel);
    }

    /// Whether the two are one term.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
