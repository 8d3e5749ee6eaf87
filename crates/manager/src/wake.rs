//! "Something changed, look again": a signal without content, for loops that look at everything anyway.

use tokio::sync::watch;

/// The sending half; clones wake the same loops.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wake(watch::Sender<()>);

/// The receiving half of one loop. What happened while the loop was busy wakes it once.
#[derive(Debug)]
pub(crate) struct Woken(watch::Receiver<()>);

impl Wake {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn wake(&self) {
        self.0.send_replace(());
    }

    pub(crate) fn subscribe(&self) -> Woken {
        Woken(self.0.subscribe())
    }
}

impl Woken {
    /// Waits for the next wake-up after the last one that was seen; for ever if nobody is left to wake.
    pub(crate) async fn woken(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
