//! Secrets: missing, then there; rotated; withdrawn; forbidden.

use memory_api::{Fault, Selection};
use serde_json::json;

use crate::cluster::{Cluster, NAMESPACE, PATIENCE};
use crate::delivery::{assert_no_violation, backend, is_complete, to};
use crate::process::Manager;

fn with_token(backend: &memory_backend::Backend) -> serde_json::Value {
    let mut spec = to(backend);
    let reference = json!({"namespace": NAMESPACE, "name": "token", "key": "token"});
    spec["output"]["otlp"]["headers"] =
        json!([{"name": "x-token", "valueFrom": {"secretKeyRef": reference}}]);
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_missing_is_said_and_used_as_soon_as_it_is_there() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    backend.require_header("x-token", "t0k3n-1");
    cluster.pipeline("backend", with_token(&backend)).await;
    let _manager = Manager::start(&cluster).await;
    let said = cluster.reason("backend", "ConfigurationGenerated", "ReferencedSecretMissing").await;
    insta::assert_snapshot!(said, @"False ReferencedSecretMissing: Secret kyma-system/token does not exist.");
    cluster.reason("backend", "TelemetryFlowHealthy", "ConfigurationNotGenerated").await;
    assert_eq!(backend.requests().len(), 0);

    cluster.secret("token", json!({"other": "t0k3n-1"})).await;
    let said = cluster.condition("backend", "ConfigurationGenerated", |it| it.contains("no key")).await;
    insta::assert_snapshot!(said, @"False ReferencedSecretMissing: Secret kyma-system/token has no key 'token'.");
    cluster.secret("token", json!({"token": "t0k3n-1"})).await;
    backend.wait_for(is_complete, PATIENCE).await.unwrap();
    cluster.reason("backend", "ConfigurationGenerated", "GatewayConfigured").await;
    let events = cluster.events().await.join("\n");
    assert!(events.contains("ReferencedSecretMissing: Secret kyma-system/token does not exist."), "{events}");
    assert!(events.contains("GatewayConfigured: The configuration is valid."), "{events}");
    assert_no_violation(&backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_is_used_without_a_restart_and_the_series_go_on() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    cluster.secret("token", json!({"token": "t0k3n-1"})).await;
    cluster.pipeline("backend", with_token(&backend)).await;
    let manager = Manager::start(&cluster).await;
    backend.wait_for(is_complete, PATIENCE).await.unwrap();

    backend.require_header("x-token", "t0k3n-2");
    cluster.patch_status("Keda", json!({"state": "Error"})).await;
    let said = cluster.reason("backend", "TelemetryFlowHealthy", "GatewayAllTelemetryDataDropped").await;
    assert!(said.contains("Unauthenticated"), "{said}");
    cluster.secret("token", json!({"token": "t0k3n-2"})).await;
    let error = [("name", "keda"), ("state", "Error")];
    let arrived = |view: &memory_backend::View| view.value("kyma.module.status.state", &error).is_some();
    let view = backend.wait_for(arrived, PATIENCE).await.unwrap();
    assert!(is_complete(&view), "{view}");
    cluster.reason("backend", "TelemetryFlowHealthy", "FlowHealthy").await;
    assert!(!view.points().any(|point| point.ended && point.attribute("name") != Some("keda")));
    assert_no_violation(&backend);
    let log = manager.log();
    assert!(!log.contains("t0k3n"), "a value of a Secret is in the log:\n{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_secret_a_pipeline_sends_nothing_and_ends_nothing() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    cluster.secret("token", json!({"token": "t0k3n-1"})).await;
    cluster.pipeline("backend", with_token(&backend)).await;
    let _manager = Manager::start_with(&cluster, &["--heartbeat", "1s"]).await;
    backend.wait_for(is_complete, PATIENCE).await.unwrap();
    cluster.delete_secret("token").await;
    cluster.reason("backend", "ConfigurationGenerated", "ReferencedSecretMissing").await;
    let sent = backend.requests().len();
    cluster.patch_status("Keda", json!({"state": "Error"})).await;
    cluster.reason("backend", "GatewayHealthy", "GatewayConfigurationNotGenerated").await;
    assert!(backend.requests().len() <= sent + 1, "requests after the Secret had gone");
    assert!(is_complete(&backend.view()));

    cluster.secret("token", json!({"token": "t0k3n-3"})).await;
    let error = [("name", "keda"), ("state", "Error")];
    let arrived = |view: &memory_backend::View| view.value("kyma.module.status.state", &error).is_some();
    let view = backend.wait_for(arrived, PATIENCE).await.unwrap();
    assert!(is_complete(&view), "{view}");
    assert_no_violation(&backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_may_not_be_read_is_said_with_the_command_that_allows_it() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    if cluster.memory.is_none() {
        return; // Rights on a real API server are another suite's.
    }
    cluster.secret("token", json!({"token": "t0k3n-1"})).await;
    let fault = cluster.memory().faults().add(Fault::forbidden(Selection::resource("secrets")));
    cluster.pipeline("backend", with_token(&backend)).await;
    let _manager = Manager::start(&cluster).await;
    let said = cluster.reason("backend", "ConfigurationGenerated", "ReferencedSecretForbidden").await;
    insta::assert_snapshot!(said);
    cluster.memory().faults().lift(fault);
    backend.wait_for(is_complete, PATIENCE).await.unwrap();

    // Withdrawn while it is watched, and given back: the Secret itself never changes.
    let secrets = Selection::resource("secrets");
    let fault = cluster.memory().faults().add(Fault::forbidden(secrets.clone()));
    assert_eq!(cluster.memory().watches().end(&secrets), 1);
    cluster.reason("backend", "ConfigurationGenerated", "ReferencedSecretForbidden").await;
    cluster.memory().faults().lift(fault);
    cluster.reason("backend", "ConfigurationGenerated", "GatewayConfigured").await;
    let whole = Selection::resource("secrets").verb("list").name("");
    assert_eq!(cluster.memory().requests().count(&whole), 0, "all Secrets were listed");
}
