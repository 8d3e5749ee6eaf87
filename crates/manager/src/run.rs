//! `manager run`: the composition root. It makes the parts, connects them, and stops them in order.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::FutureExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use pipeline_api::ServiceAccount;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::admin::Admin;
use crate::catalog::Catalog;
use crate::causes::chain;
use crate::gates::Gates;
use crate::known::{Feed, Known};
use crate::leader::{Leader, Terms};
use crate::log::{self, LogFormat};
use crate::names::{NAME, NAMESPACE};
use crate::pipelines::{Parts, Pipelines};
use crate::push::Push;
use crate::reports::Reports;
use crate::sources::Watched;
use crate::statuses::Writes;
use crate::telemetry::Telemetry;
use crate::term::Term;
use crate::wake::Wake;
use crate::{clock, events, exporters, identity, signals, statuses};

/// Events that wait to be written.
const NEWS: usize = 256;

/// Where a pod finds its namespace.
const POD_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Flags of `run`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The catalog of modules [default: the module telemetry alone]
    #[arg(long, env = "STATUS_MANAGER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to reach the API server [default: $KUBECONFIG, else ~/.kube/config, else the pod's service account]
    #[arg(long, env = "STATUS_MANAGER_KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The cluster's name on every point [default: the uid of the namespace kube-system]
    #[arg(long, env = "STATUS_MANAGER_CLUSTER_NAME", value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    cluster_name: Option<String>,
    /// The manager's namespace, where the Lease is [default: the pod's, else kyma-system]
    #[arg(long, env = "STATUS_MANAGER_NAMESPACE", value_name = "NAME")]
    namespace: Option<String>,
    /// The name of the Lease
    #[arg(long, env = "STATUS_MANAGER_LEASE_NAME", value_name = "NAME", default_value = NAME)]
    lease_name: String,
    /// Whether replicas elect a leader; without it, there must be one replica only
    #[arg(long, env = "STATUS_MANAGER_LEADER_ELECT", value_name = "BOOL", default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    leader_elect: bool,
    /// Address and port of /healthz, /readyz and /metrics
    #[arg(long, env = "STATUS_MANAGER_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// How often everything is sent, whether it changed or not; from 1s to 5m
    #[arg(long, env = "STATUS_MANAGER_HEARTBEAT", value_name = "DURATION", default_value = "30s", value_parser = heartbeat)]
    heartbeat: Duration,
    /// The form of log lines
    #[arg(long, env = "STATUS_MANAGER_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// What is logged: a level, or levels by module
    #[arg(long, env = "STATUS_MANAGER_LOG", value_name = "FILTER", default_value = "info", value_parser = log::filter)]
    log: String,
}

fn heartbeat(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration =
        text.parse().map_err(|_| "not a duration such as 30s or 1m".to_owned())?;
    let duration = Duration::try_from(parsed).map_err(|_| "negative".to_owned())?;
    let bounds = Duration::from_secs(1)..=Duration::from_mins(5);
    if bounds.contains(&duration) { Ok(duration) } else { Err("not within 1s and 5m".to_owned()) }
}

/// Exit code 0 after an orderly stop, 2 if nothing could be begun, 1 if a part failed.
pub(crate) fn main(args: Args) -> ExitCode {
    log::init(args.log_format, &args.log);
    // It is the first, so that none was installed before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(2, &anyhow::Error::new(error).context("starting the runtime")),
    };
    let prepared = match runtime.block_on(prepare(args)) {
        Ok(prepared) => prepared,
        Err(error) => return fail(2, &error),
    };
    let code = match runtime.block_on(run(prepared)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    };
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

fn fail(code: u8, error: &anyhow::Error) -> ExitCode {
    error!("{}", chain(&**error));
    ExitCode::from(code)
}

/// All that can be wrong before anything starts.
struct Prepared {
    args: Args,
    catalog: Catalog,
    client: Client,
    namespace: String,
    listener: TcpListener,
    push: Option<Push>,
}

async fn prepare(args: Args) -> anyhow::Result<Prepared> {
    let catalog = match &args.config {
        Some(file) => Catalog::read(file)?,
        None => Catalog::default(),
    };
    let mut config = match &args.kubeconfig {
        Some(file) => {
            let using = || format!("using the kubeconfig {} (--kubeconfig)", file.display());
            let kubeconfig = Kubeconfig::read_from(file).with_context(using)?;
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .with_context(using)?
        }
        None => Config::infer().await.context("finding the API server (--kubeconfig names a kubeconfig)")?,
    };
    // Every caller here tries again by itself, and says so.
    config.default_retry = false;
    let client = Client::try_from(config).context("setting up the connection to the API server")?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("listening on {} (--listen)", args.listen))?;
    let namespace = args.namespace.clone().unwrap_or_else(pod_namespace);
    let push = Push::from_environment()?;
    Ok(Prepared { args, catalog, client, namespace, listener, push })
}

fn pod_namespace() -> String {
    let namespace = std::fs::read_to_string(POD_NAMESPACE).unwrap_or_default();
    let namespace = namespace.trim();
    if namespace.is_empty() { NAMESPACE.to_owned() } else { namespace.to_owned() }
}

/// A name that no other process has: the pod's, and when it started.
fn instance() -> String {
    let host = std::env::var("HOSTNAME").ok().filter(|host| !host.is_empty());
    format!("{}_{:x}{:x}", host.as_deref().unwrap_or(NAME), clock::now_ms(), std::process::id())
}

async fn run(prepared: Prepared) -> anyhow::Result<()> {
    let Prepared { args, catalog, client, namespace, listener, push } = prepared;
    let instance = instance();
    info!(version = env!("CARGO_PKG_VERSION"), instance, namespace, listen = %listener.local_addr()?, "Starting");

    let gates = Arc::new(Gates::default());
    let telemetry = Arc::new(Telemetry::new(&instance));
    let (changed, series_changed) = (Wake::new(), Wake::new());
    let (known, watched) = (Known::default(), Watched::default());
    let (identity_sender, identity) = watch::channel(Err("not known yet".to_owned()));
    let (writes, writes_receiver) = watch::channel(Writes::new());
    let (news, news_receiver) = mpsc::channel(NEWS);

    let leases = Api::namespaced(client.clone(), &namespace);
    let (leader, terms) = if args.leader_elect {
        let (gates, telemetry) = (Arc::clone(&gates), Arc::clone(&telemetry));
        let (leader, terms) =
            Leader::new(leases, &args.lease_name, instance.clone(), changed.clone(), gates, telemetry);
        (Some(leader), terms)
    } else {
        (None, alone(&telemetry))
    };
    let admin = Admin {
        gates: Arc::clone(&gates),
        watched: watched.clone(),
        terms: terms.clone(),
        telemetry: Arc::clone(&telemetry),
    };
    let feed = Feed {
        client: client.clone(),
        known: known.clone(),
        changed: changed.clone(),
        gates: Arc::clone(&gates),
    };
    let exporting = exporters::Shared {
        heartbeat: args.heartbeat,
        telemetry: Arc::clone(&telemetry),
        changed: series_changed,
        health_changed: changed.clone(),
    };
    let who = identity::find(
        client.clone(),
        args.cluster_name,
        identity_sender,
        Arc::clone(&gates),
        changed.clone(),
    );
    let pipelines = Pipelines::new(Parts {
        client: client.clone(),
        catalog,
        known,
        watched,
        identity,
        terms,
        exporting,
        gates: Arc::clone(&gates),
        changed,
        reports: Reports::new(ServiceAccount::new(namespace, NAME), writes, news),
    });

    // A stop goes through in order: exporters send what is pending, then the Lease is released, then nothing is served.
    let (stop, drained, released) =
        (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    let orderly = async {
        let served = admin.run(listener, released.clone().cancelled_owned());
        let led = async {
            match leader {
                Some(leader) => leader.run(drained.cancelled()).await,
                None => drained.cancelled().await,
            }
            released.cancel();
        };
        let pushed = async {
            match push {
                Some(push) => push.run(telemetry, released.cancelled()).await,
                None => released.cancelled().await,
            }
        };
        let reconciled = pipelines.run(stop.cancelled()).map(|()| drained.cancel());
        let (served, (), (), ()) = tokio::join!(served, led, reconciled, pushed);
        served.context("serving HTTP")
    };
    let background = async {
        let identified = who.then(|()| std::future::pending::<()>());
        let wrote = statuses::run(client.clone(), gates, writes_receiver);
        let told = events::run(client, instance, news_receiver);
        tokio::join!(identified, feed.run(), wrote, told);
    };
    tokio::select! {
        result = orderly => result,
        () = background => anyhow::bail!("a part of the manager ended by itself"),
        result = signals::wait(&stop) => result,
    }
}

/// The term of a replica that has no others.
fn alone(telemetry: &Telemetry) -> Terms {
    telemetry.leader(true);
    // The sender is not needed: the term never ends.
    watch::channel(Some(Term::new(None, 0))).1
}
