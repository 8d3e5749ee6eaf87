//! `manager run`: the composition root. It makes the parts, connects them, and stops them in order.

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, bail};
use kube::Api;
use pipeline_api::ServiceAccount;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::admin::Admin;
use crate::causes::chain;
use crate::flags::Args;
use crate::gates::Gates;
use crate::known::{Feed, Known};
use crate::leader::{Leader, Terms};
use crate::names::NAME;
use crate::pipelines::{Parts, Pipelines};
use crate::prepare::{Prepared, prepare};
use crate::reports::Reports;
use crate::sources::Watched;
use crate::statuses::Writes;
use crate::telemetry::Telemetry;
use crate::term::Term;
use crate::wake::Wake;
use crate::{events, exporters, identity, leader, log, signals, statuses};

/// Events that wait to be written.
const NEWS: usize = 256;

/// Exit code 0 after an orderly stop, 2 if nothing could be begun, 1 if a part failed.
pub(crate) fn main(args: &Args) -> ExitCode {
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
    let code = match runtime.block_on(run(args, prepared)) {
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

async fn run(args: &Args, prepared: Prepared) -> anyhow::Result<()> {
    let Prepared { catalog, client, namespace, listener, push, instance } = prepared;
    info!(version = env!("CARGO_PKG_VERSION"), instance, namespace, listen = %listener.local_addr()?, "Starting");

    let gates = Arc::new(Gates::default());
    let telemetry = Arc::new(Telemetry::new(&instance));
    let (changed, series_changed) = (Wake::new(), Wake::new());
    let (known, watched) = (Known::default(), Watched::default());
    let (identity_sender, identity) = watch::channel(Err("not known yet".to_owned()));
    let (writes, writes_receiver) = watch::channel(Writes::new());
    let (news, news_receiver) = mpsc::channel(NEWS);

    let candidate = leader::Candidate {
        leases: Api::namespaced(client.clone(), &namespace),
        name: args.lease_name.clone(),
        me: instance.clone(),
    };
    let (leader, terms) = if args.leader_elect {
        let (leader, terms) =
            Leader::new(candidate, changed.clone(), Arc::clone(&gates), Arc::clone(&telemetry));
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
        failing: AtomicBool::new(false),
    };
    let search = identity::Search {
        client: client.clone(),
        name: args.cluster_name.clone(),
        identity: identity_sender,
        gates: Arc::clone(&gates),
        changed: changed.clone(),
    };
    let exporting = exporters::Shared {
        heartbeat: args.heartbeat,
        telemetry: Arc::clone(&telemetry),
        changed: series_changed,
        health_changed: changed.clone(),
    };
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
    let reconcile = async {
        pipelines.run(stop.cancelled()).await;
        drained.cancel();
        Ok(())
    };
    let lead = async {
        match leader {
            Some(leader) => leader.run(drained.cancelled()).await,
            None => drained.cancelled().await,
        }
        released.cancel();
        Ok(())
    };
    let push = async {
        if let Some(push) = push {
            push.run(telemetry, released.cancelled()).await;
        }
        Ok(())
    };
    let serve =
        async { admin.run(listener, released.clone().cancelled_owned()).await.context("serving HTTP") };
    let orderly = async { tokio::try_join!(reconcile, lead, push, serve) };
    let endless = async {
        tokio::try_join!(
            endless("the search for the cluster's identity", search.run()),
            endless("the watch of MetricPipelines", feed.run()),
            endless("the writer of statuses", statuses::run(client.clone(), gates, writes_receiver)),
            endless("the writer of Events", events::run(client, instance, news_receiver)),
        )
    };
    tokio::select! {
        result = orderly => result.map(|_| ()),
        result = endless => result.map(|_| ()),
        result = signals::wait(&stop) => result,
    }
}

/// A part that ends only by a mistake, or when it is dropped.
async fn endless(name: &str, part: impl Future<Output = ()>) -> anyhow::Result<Infallible> {
    part.await;
    bail!("{name} ended by itself")
}

/// The term of a replica that has no others.
fn alone(telemetry: &Telemetry) -> Terms {
    telemetry.leader(true);
    // The sender is not needed: the term never ends.
    watch::channel(Some(Term::new(None, 0))).1
}
