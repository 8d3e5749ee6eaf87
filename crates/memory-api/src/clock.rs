//! The time that objects get.

use jiff::Timestamp;
use tokio::time::Instant;

/// The wall clock at the start, moved on by tokio's clock: with paused time, timestamps follow the test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Timestamp,
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Timestamp::now(), origin: Instant::now() }
    }

    /// Whole seconds in RFC 3339, as `metav1.Time` writes them.
    pub(crate) fn now(&self) -> String {
        let now = self.start.checked_add(self.origin.elapsed()).unwrap_or(self.start);
        now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}
