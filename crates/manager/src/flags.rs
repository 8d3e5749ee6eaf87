//! The flags of `manager run`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::log::{self, LogFormat};
use crate::names::{NAME, NOT_A_NAME, is_name};

/// Flags of `run`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The catalog of modules [default: the module telemetry alone]
    #[arg(long, env = "STATUS_MANAGER_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How to reach the API server [default: $KUBECONFIG, else ~/.kube/config, else the pod's service account]
    #[arg(long, env = "STATUS_MANAGER_KUBECONFIG", value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The cluster's name on every point [default: the uid of the namespace kube-system]
    #[arg(long, env = "STATUS_MANAGER_CLUSTER_NAME", value_name = "NAME", value_parser = cluster_name)]
    pub(crate) cluster_name: Option<String>,
    /// The manager's namespace, where the Lease is [default: the pod's, else kyma-system]
    #[arg(long, env = "STATUS_MANAGER_NAMESPACE", value_name = "NAME", value_parser = name)]
    pub(crate) namespace: Option<String>,
    /// The name of the Lease
    #[arg(long, env = "STATUS_MANAGER_LEASE_NAME", value_name = "NAME", default_value = NAME, value_parser = name)]
    pub(crate) lease_name: String,
    /// Whether replicas elect a leader; without it, there must be one replica only
    #[arg(long, env = "STATUS_MANAGER_LEADER_ELECT", value_name = "BOOL", default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(crate) leader_elect: bool,
    /// Address and port of /healthz, /readyz and /metrics
    #[arg(long, env = "STATUS_MANAGER_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8080", value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// How often everything is sent, whether it changed or not; from 1s to 5m
    #[arg(long, env = "STATUS_MANAGER_HEARTBEAT", value_name = "DURATION", default_value = "30s", value_parser = heartbeat)]
    pub(crate) heartbeat: Duration,
    /// The form of log lines
    #[arg(long, env = "STATUS_MANAGER_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// What is logged: a level, or levels by module
    #[arg(long, env = "STATUS_MANAGER_LOG", value_name = "FILTER", default_value = "info", value_parser = log::filter)]
    pub(crate) log: String,
}

fn heartbeat(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration =
        text.parse().map_err(|_| "not a duration such as 30s or 1m".to_owned())?;
    let duration = Duration::try_from(parsed).map_err(|_| "negative".to_owned())?;
    let bounds = Duration::from_secs(1)..=Duration::from_mins(5);
    if bounds.contains(&duration) { Ok(duration) } else { Err("not within 1s and 5m".to_owned()) }
}

fn cluster_name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("empty".to_owned()) } else { Ok(text.to_owned()) }
}

fn name(text: &str) -> Result<String, String> {
    if is_name(text) { Ok(text.to_owned()) } else { Err(NOT_A_NAME.to_owned()) }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "not an IP address and a port, such as 0.0.0.0:8080 or 127.0.0.1:8080".to_owned())
}
