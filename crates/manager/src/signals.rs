//! Signals: the first asks to stop, the second insists.

use std::time::Duration;

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::info;

/// A stop that takes longer is given up. Kubernetes kills after 30 s.
const DEADLINE: Duration = Duration::from_secs(25);

/// Cancels `stop` at the first signal; returns at the second, or when stopping takes too long.
///
/// # Errors
/// Always: where everything stops in order, nobody waits for this any more.
pub(crate) async fn wait(stop: &CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    info!("Stopping: sending what is pending");
    stop.cancel();
    tokio::select! {
        _ = terminate.recv() => bail!("stopped by a second signal before everything was sent"),
        _ = interrupt.recv() => bail!("stopped by a second signal before everything was sent"),
        () = sleep(DEADLINE) => bail!("stopping took longer than {} s", DEADLINE.as_secs()),
    }
}
