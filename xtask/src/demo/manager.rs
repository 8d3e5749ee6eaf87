//! The real manager, as a process of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::process::Child;

use super::cluster::{Cluster, NAMESPACE};

/// A running manager; dropped, it is killed.
pub(crate) struct Manager {
    child: Child,
    log: PathBuf,
    listen: SocketAddr,
    started: Instant,
}

impl Manager {
    pub(crate) async fn start(cluster: &Cluster) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.context("finding a free port")?;
        let listen = listener.local_addr()?;
        drop(listener);
        let log = cluster.file("manager.log");
        let mut command = tokio::process::Command::new(binary()?);
        // A group of its own: Ctrl-C is for the demo, which then stops the manager in order.
        command.arg("run").kill_on_drop(true).process_group(0).env_clear();
        command.arg("--kubeconfig").arg(cluster.file("kubeconfig"));
        command.arg("--config").arg(cluster.file("catalog.yaml"));
        command.args(["--namespace", NAMESPACE, "--cluster-name", "demo", "--listen", &listen.to_string()]);
        command.stderr(std::fs::File::create(&log).context("making the log file")?);
        let child = command.spawn().context("starting the manager")?;
        Ok(Self { child, log, listen, started: Instant::now() })
    }

    /// Where it serves HTTP.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// How long it has been running.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let id = self.child.id().context("the manager has ended already")?.to_string();
        Command::new("kill").args(["-TERM", &id]).status().context("stopping the manager")?;
        let status = self.child.wait().await.context("waiting for the manager to stop")?;
        if !status.success() {
            bail!("the manager stopped with {status}:\n{}", self.log());
        }
        Ok(())
    }
}

/// Builds the manager in the profile of this task; cargo shows its progress.
fn binary() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // What the cargo that runs this task has set would make the other one build everything again.
    let own = std::env::vars_os().map(|(name, _)| name);
    let inherited = own.filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    });
    let mut command = Command::new(cargo);
    for name in inherited {
        command.env_remove(name);
    }
    let status = command
        .args(["build", "--locked", "--package", "manager"])
        .current_dir(crate::root())
        .status()
        .context("running cargo build")?;
    if !status.success() {
        bail!("the manager does not build");
    }
    let own = std::env::current_exe().context("finding the target directory")?;
    Ok(own.with_file_name("manager"))
}
