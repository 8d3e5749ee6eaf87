//! What arrives: every series, each change, and the end of what ended.

use memory_backend::{Backend, View};
use serde_json::json;

use crate::cluster::{Cluster, PATIENCE};
use crate::process::Manager;

const STATE: &str = "kyma.module.status.state";
const CONDITION: &str = "kyma.module.status.condition";

pub(crate) async fn backend() -> Backend {
    Backend::builder().strict().start().await.unwrap()
}

/// A spec that sends the set `module` of all modules to a backend.
pub(crate) fn to(backend: &Backend) -> serde_json::Value {
    json!({
        "input": {"kyma": {"enabled": true}},
        "output": {"otlp": {"endpoint": {"value": backend.endpoint()}}},
    })
}

/// Seven states and thirteen conditions.
pub(crate) fn is_complete(view: &View) -> bool {
    view.live().len() == 20
}

pub(crate) fn assert_no_violation(backend: &Backend) {
    assert_eq!(backend.view().violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_series_of_the_seven_modules_arrives() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    cluster.pipeline("backend", to(&backend)).await;
    let manager = Manager::start(&cluster).await;
    let view = backend.wait_for(is_complete, PATIENCE).await.unwrap();
    insta::assert_snapshot!(view.live().join("\n"));
    cluster.reason("backend", "TelemetryFlowHealthy", "FlowHealthy").await;
    cluster.reason("backend", "ModulesObserved", "AllModulesObserved").await;
    assert_eq!(manager.readyz().await, (200, "ready\n".to_owned()));
    assert_no_violation(&backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_arrives_and_what_it_replaced_ends_with_it() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    cluster.pipeline("backend", to(&backend)).await;
    let _manager = Manager::start(&cluster).await;
    backend.wait_for(is_complete, PATIENCE).await.unwrap();

    cluster.patch_status("Telemetry", json!({"state": "Ready"})).await;
    let ready = [("name", "telemetry"), ("state", "Ready")];
    let view = backend.wait_for(|view| view.value(STATE, &ready).is_some(), PATIENCE).await.unwrap();
    assert_eq!(view.value(STATE, &[("name", "telemetry"), ("state", "Warning")]), None);

    cluster.patch_status("Telemetry", json!({"state": "Warning"})).await;
    let view = backend.wait_for(|view| view.value(STATE, &ready).is_none(), PATIENCE).await.unwrap();
    assert!(is_complete(&view));

    cluster
        .patch_status("Eventing", json!({"conditions": [{"type": "WebhookReady", "status": "False"}]}))
        .await;
    let gone = [("name", "eventing"), ("type", "NATSAvailable")];
    let view = backend.wait_for(|view| view.value(CONDITION, &gone).is_none(), PATIENCE).await.unwrap();
    let webhook = [("name", "eventing"), ("type", "WebhookReady"), ("status", "False"), ("reason", "")];
    assert!(view.value(CONDITION, &webhook).is_some_and(|value| value == 0));
    assert_eq!(view.live().len(), 18);

    cluster.delete("Keda").await;
    let view = backend.wait_for(|view| view.live().len() == 16, PATIENCE).await.unwrap();
    assert!(view.matching(STATE, &[("name", "keda")]).all(|(_, point)| point.ended));
    assert_no_violation(&backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_sent_again_at_each_heartbeat() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    cluster.pipeline("backend", to(&backend)).await;
    let _manager = Manager::start_with(&cluster, &["--heartbeat", "1s"]).await;
    backend.wait_for(is_complete, PATIENCE).await.unwrap();
    let full = |view: &View| view.requests().iter().filter(|request| request.points.len() == 20).count();
    backend.wait_for(|view| full(view) >= 3, PATIENCE).await.unwrap();
    assert_no_violation(&backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_pipelines_have_what_each_selects_and_one_that_fails_delays_no_other() {
    let cluster = Cluster::start().await;
    let (all, some, away) = (backend().await, backend().await, backend().await);
    away.stop().await;
    cluster.pipeline("all", to(&all)).await;
    let mut spec = to(&some);
    spec["input"]["kyma"]["modules"] = json!(["nats", "keda"]);
    spec["input"]["kyma"]["metrics"] = json!(["module", "resource"]);
    cluster.pipeline("some", spec).await;
    cluster.pipeline("away", to(&away)).await;
    let manager = Manager::start(&cluster).await;
    all.wait_for(is_complete, PATIENCE).await.unwrap();
    let view = some.wait_for(|view| view.live().len() == 10, PATIENCE).await.unwrap();
    insta::assert_snapshot!(view.live().join("\n"));

    let down = cluster.reason("away", "TelemetryFlowHealthy", "BackendUnavailable").await;
    assert!(down.contains("Connection refused"), "{down}");
    cluster.patch_status("NATS", json!({"state": "Error"})).await;
    let error = [("name", "nats"), ("state", "Error")];
    all.wait_for(|view| view.value(STATE, &error).is_some(), PATIENCE).await.unwrap();
    some.wait_for(|view| view.value(STATE, &error).is_some(), PATIENCE).await.unwrap();

    away.restart().await.unwrap();
    // The request that failed comes first, with the bytes that it had; then what is true now.
    away.wait_for(|view| is_complete(view) && view.value(STATE, &error).is_some(), PATIENCE).await.unwrap();
    cluster.reason("away", "TelemetryFlowHealthy", "FlowHealthy").await;
    let page = manager.metrics().await;
    assert!(page.contains("kyma_resource_status_state{"), "{page}");
    for backend in [&all, &some, &away] {
        assert_no_violation(backend);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_module_telemetry_brings_its_pipelines_along_in_the_set_resource() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    let mut spec = to(&backend);
    spec["input"]["kyma"] = json!({"enabled": true, "modules": ["telemetry"], "metrics": ["resource"]});
    cluster.pipeline("backend", spec).await;
    let mut broken = to(&backend);
    broken["output"]["otlp"]["endpoint"] = json!({"value": "backend"});
    cluster.pipeline("broken", broken).await;
    let _manager = Manager::start(&cluster).await;
    let condition = |name: &'static str, reason: &'static str, status: &'static str| {
        move |view: &View| {
            let attributes = [
                ("kind", "metricpipelines"),
                ("name", name),
                ("namespace", ""),
                ("reason", reason),
                ("status", status),
            ];
            view.value("kyma.resource.status.conditions", &attributes).is_some()
        }
    };
    backend.wait_for(condition("broken", "EndpointInvalid", "False"), PATIENCE).await.unwrap();
    backend.wait_for(condition("backend", "FlowHealthy", "True"), PATIENCE).await.unwrap();
    assert!(backend.view().value("kyma.resource.status.state", &[("kind", "telemetries")]).is_some());
    cluster.delete_pipeline("broken").await;
    let gone = condition("broken", "EndpointInvalid", "False");
    backend.wait_for(|view| !gone(view), PATIENCE).await.unwrap();
    assert_no_violation(&backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_while_the_backend_was_away_is_ended_when_it_is_back() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    cluster.pipeline("backend", to(&backend)).await;
    let _manager = Manager::start(&cluster).await;
    backend.wait_for(is_complete, PATIENCE).await.unwrap();
    backend.stop().await;
    cluster.patch_status("Telemetry", json!({"state": "Error"})).await;
    cluster.delete("Serverless").await;
    cluster.reason("backend", "TelemetryFlowHealthy", "BackendUnavailable").await;
    cluster.patch_status("Telemetry", json!({"state": "Ready"})).await;
    backend.restart().await.unwrap();
    let ready = [("name", "telemetry"), ("state", "Ready")];
    backend
        .wait_for(|view| view.live().len() == 17 && view.value(STATE, &ready).is_some(), PATIENCE)
        .await
        .unwrap();
    cluster.reason("backend", "TelemetryFlowHealthy", "FlowHealthy").await;
    assert_no_violation(&backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_is_disabled_narrowed_or_deleted_ends_its_series() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    cluster.pipeline("backend", to(&backend)).await;
    let _manager = Manager::start(&cluster).await;
    backend.wait_for(is_complete, PATIENCE).await.unwrap();

    let mut narrow = to(&backend);
    narrow["input"]["kyma"]["modules"] = json!(["nats"]);
    cluster.pipeline("backend", narrow.clone()).await;
    backend.wait_for(|view| view.live().len() == 3, PATIENCE).await.unwrap();
    narrow["input"]["kyma"]["enabled"] = json!(false);
    cluster.pipeline("backend", narrow).await;
    backend.wait_for(|view| view.live().is_empty(), PATIENCE).await.unwrap();
    cluster.reason("backend", "TelemetryFlowHealthy", "InputDisabled").await;

    cluster.pipeline("backend", to(&backend)).await;
    backend.wait_for(is_complete, PATIENCE).await.unwrap();
    cluster.delete_pipeline("backend").await;
    backend.wait_for(|view| view.live().is_empty(), PATIENCE).await.unwrap();
    assert_no_violation(&backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_goes_from_one_pipeline_to_another_of_the_same_backend_lives_on() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    let selecting = |modules: &[&str]| {
        let mut spec = to(&backend);
        spec["input"]["kyma"]["modules"] = json!(modules);
        spec
    };
    cluster.pipeline("a", selecting(&["nats", "keda"])).await;
    cluster.pipeline("b", selecting(&["telemetry"])).await;
    let _manager = Manager::start_with(&cluster, &["--heartbeat", "5m"]).await;
    backend.wait_for(|view| view.live().len() == 9, PATIENCE).await.unwrap();

    cluster.pipeline("a", selecting(&["nats"])).await;
    cluster.pipeline("b", selecting(&["telemetry", "keda"])).await;
    cluster.reason("b", "ConfigurationGenerated", "GatewayConfigured").await;
    cluster.patch_status("Keda", json!({"state": "Error"})).await;
    let error = [("name", "keda"), ("state", "Error")];
    backend.wait_for(|view| view.value(STATE, &error).is_some(), PATIENCE).await.unwrap();
    assert_eq!(backend.view().live().len(), 9);
    cluster.delete_pipeline("a").await;
    backend.wait_for(|view| view.live().len() == 6, PATIENCE).await.unwrap();
    assert_no_violation(&backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_is_pointed_elsewhere_ends_at_the_old_backend_before_it_begins_at_the_new_one() {
    let (cluster, old, new) = (Cluster::start().await, backend().await, backend().await);
    cluster.pipeline("backend", to(&old)).await;
    let _manager = Manager::start(&cluster).await;
    old.wait_for(is_complete, PATIENCE).await.unwrap();
    cluster.pipeline("backend", to(&new)).await;
    new.wait_for(is_complete, PATIENCE).await.unwrap();
    assert_eq!(old.view().live(), Vec::<String>::new());
    for backend in [&old, &new] {
        assert_no_violation(backend);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_managers_own_metrics_are_pushed_where_the_environment_says_so() {
    let cluster = Cluster::empty().await;
    for protocol in ["grpc", "http/protobuf"] {
        let backend = backend().await;
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", backend.endpoint()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
            ("OTEL_METRIC_EXPORT_INTERVAL", "200".to_owned()),
        ];
        let mut manager = Manager::start_in(&cluster, &[], &variables).await;
        let leads = |view: &View| view.value("status.manager.leader", &[]).is_some_and(|value| value == 1);
        let view = backend.wait_for(leads, PATIENCE).await.unwrap();
        let (_, point) = view.matching("status.manager.leader", &[]).next().unwrap();
        assert_eq!(point.resource.get("service.name").map(String::as_str), Some("status-manager"));
        assert!(point.resource.contains_key("service.instance.id"));
        assert!(manager.stop().await.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_without_output_is_served_for_scraping() {
    let cluster = Cluster::start().await;
    cluster.pipeline("scraped", json!({"input": {"kyma": {"enabled": true}}})).await;
    let manager = Manager::start(&cluster).await;
    cluster.reason("scraped", "TelemetryFlowHealthy", "ScrapeOnly").await;
    cluster.reason("scraped", "GatewayHealthy", "GatewayReady").await;
    cluster.reason("scraped", "ModulesObserved", "AllModulesObserved").await;
    let page = manager.get("/metrics", "text/plain").await;
    assert_eq!(page.content_type, "text/plain; version=0.0.4; charset=utf-8");
    openmetrics_parser::prometheus::parse_prometheus(&page.text).unwrap();
    let lines: Vec<_> = page.text.lines().filter(|line| line.starts_with("kyma_module")).collect();
    insta::assert_snapshot!(lines.join("\n"));
    let page =
        manager.get("/metrics", "application/openmetrics-text; version=1.0.0, text/plain; q=0.5").await;
    assert_eq!(page.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    openmetrics_parser::openmetrics::parse_openmetrics(&page.text).unwrap();
    let (whole, compressed) = (manager.page_bytes("identity").await, manager.page_bytes("gzip").await);
    assert!(compressed.len() * 4 < whole.len(), "{} of {} bytes", compressed.len(), whole.len());
}
