//! `cargo xtask demo`: the main job, on a cluster in memory. The real manager, over the network, sends the status of the seed's
//! seven modules to a real OTLP receiver, while statuses change.

mod cluster;
mod manager;
mod report;

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use memory_backend::{Backend, Value, View};
use serde_json::{Value as Json, json};
use tokio::signal::unix::{SignalKind, signal};

use cluster::Cluster;
use manager::Manager;
use report::Report;

const STATE: &str = "kyma.module.status.state";
const CONDITION: &str = "kyma.module.status.condition";

/// What must arrive of the seed: seven states and thirteen conditions.
const SERIES: usize = 20;
/// How long the manager may take to start and to send everything.
const START: Duration = Duration::from_secs(20);
/// How long a change may take.
const CHANGE: Duration = Duration::from_secs(1);
/// Before each change.
const QUIET: Duration = Duration::from_millis(500);
/// Between two rounds.
const PAUSE: Duration = Duration::from_secs(5);

/// Runs one round, or rounds until Ctrl-C.
pub(crate) async fn run(once: bool) -> anyhow::Result<()> {
    let report = Report::new();
    report.title("Status of Kyma modules as metrics: a demo on a cluster in memory");
    let cluster = Cluster::start().await?;
    report.step(&format!("Kubernetes API in memory, with seven modules and their CRDs: kubectl --server={} get metricpipelines", cluster.url()));
    let backend = Backend::builder().strict().start().await.context("starting the OTLP receiver")?;
    report.step(&format!("OTLP receiver at {}", backend.endpoint()));
    cluster.apply_pipeline(&backend.endpoint()).await?;
    report.step("MetricPipeline 'demo' applied: every module, metric set 'module', OTLP by gRPC");
    let mut manager = Manager::start(&cluster).await?;
    report.step(&format!(
        "manager started; look at its metrics with: curl http://{}/metrics",
        manager.listen()
    ));

    let round = async {
        everything_arrives(&report, &backend, &manager).await?;
        loop {
            changes(&report, &cluster, &backend).await?;
            report.conditions(&cluster.conditions().await?);
            no_violations(&backend)?;
            if once {
                return Ok(());
            }
            report.note(&format!(
                "Next round in {} s; Ctrl-C ends. Meanwhile: curl http://{}/metrics",
                PAUSE.as_secs(),
                manager.listen()
            ));
            tokio::time::sleep(PAUSE).await;
        }
    };
    let result: anyhow::Result<()> = tokio::select! {
        result = round => result,
        stopped = stop() => stopped,
    };
    if let Err(error) = &result {
        report.failure(&format!("{error:#}"));
        report.note(&format!("The manager's log:\n{}", manager.log()));
        bail!("the demo failed");
    }
    manager.stop().await?;
    report.success("Done: everything arrived, what ended is ended, and the manager stopped in order.");
    Ok(())
}

/// Ctrl-C, or the end of the terminal or of the session.
async fn stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut hangup = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    tokio::select! {
        stopped = tokio::signal::ctrl_c() => stopped.context("listening for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
        _ = hangup.recv() => Ok(()),
    }
}

async fn everything_arrives(report: &Report, backend: &Backend, manager: &Manager) -> anyhow::Result<()> {
    report.title("What arrives");
    let view = backend.wait_for(|view| view.live().len() >= SERIES, START).await;
    let view = view.map_err(|missing| anyhow::anyhow!("{missing}"))?;
    report.points(view.series().filter_map(|(_, point)| Some((point, point.value?))));
    report.note(&format!("{SERIES} series; the manager started {} ms ago", manager.age().as_millis()));
    no_violations(backend)
}

/// A change of one status, and how to see in the backend that it arrived.
struct Change {
    title: &'static str,
    kind: &'static str,
    /// `None`: the object is deleted.
    status: Option<Json>,
    arrived: fn(&View) -> bool,
}

fn has(view: &View, metric: &str, attributes: &[(&str, &str)]) -> bool {
    view.value(metric, attributes).is_some()
}

fn round() -> Vec<Change> {
    let patch = |title, kind, status: Json, arrived| Change { title, kind, status: Some(status), arrived };
    vec![
        patch("Telemetry: Warning becomes Ready", "Telemetry", json!({"state": "Ready"}), |view| {
            view.value(STATE, &[("name", "telemetry"), ("state", "Ready")]) == Some(Value::Int(1))
                && !has(view, STATE, &[("name", "telemetry"), ("state", "Warning")])
        }),
        patch("Telemetry: Ready becomes Warning again", "Telemetry", json!({"state": "Warning"}), |view| {
            view.value(STATE, &[("name", "telemetry"), ("state", "Warning")]) == Some(Value::Int(0))
                && !has(view, STATE, &[("name", "telemetry"), ("state", "Ready")])
        }),
        patch(
            "Eventing: the condition WebhookReady disappears",
            "Eventing",
            json!({"conditions": [
                {"type": "NATSAvailable", "status": "True", "reason": "Available"},
                {"type": "PublisherProxyReady", "status": "True", "reason": "Deployed"},
            ]}),
            |view| !has(view, CONDITION, &[("name", "eventing"), ("type", "WebhookReady")]),
        ),
        Change {
            title: "Keda: the object is deleted",
            kind: "Keda",
            status: None,
            arrived: |view| {
                !has(view, STATE, &[("name", "keda")]) && !has(view, CONDITION, &[("name", "keda")])
            },
        },
    ]
}

async fn changes(report: &Report, cluster: &Cluster, backend: &Backend) -> anyhow::Result<()> {
    report.title("What changes");
    for change in round() {
        make(report, cluster, backend, &change).await?;
    }
    cluster.restore().await?;
    let whole = |view: &View| view.live().len() == SERIES;
    let view = backend.wait_for(whole, START).await;
    view.map_err(|missing| anyhow::anyhow!("Eventing and Keda as they were: {missing}"))?;
    report.step("Eventing and Keda are as they were");
    Ok(())
}

async fn make(report: &Report, cluster: &Cluster, backend: &Backend, change: &Change) -> anyhow::Result<()> {
    // A change after quiet leaves at once; one close behind another would wait for it.
    tokio::time::sleep(QUIET).await;
    let mut arriving = backend.subscribe();
    match &change.status {
        Some(status) => cluster.patch_status(change.kind, status).await?,
        None => cluster.delete(change.kind).await?,
    }
    let answered = Instant::now();
    let arrived = backend.wait_for(change.arrived, CHANGE).await;
    let took = answered.elapsed();
    arrived.map_err(|missing| anyhow::anyhow!("{}: did not arrive: {missing}", change.title))?;
    report.change(change.title, took);
    // The request that the change came with has arrived; it waits here.
    while let Ok(Some(request)) = tokio::time::timeout(Duration::from_millis(1), arriving.next()).await {
        report.arrived(&request.points);
    }
    Ok(())
}

fn no_violations(backend: &Backend) -> anyhow::Result<()> {
    match backend.view().violations().as_slice() {
        [] => Ok(()),
        violations => bail!("a strict receiver would object: {}", violations.join("; ")),
    }
}
