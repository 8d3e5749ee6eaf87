//! Two replicas: one voice, and a hand-over that nobody notices.

use memory_backend::View;
use serde_json::json;

use crate::cluster::{Cluster, PATIENCE, until};
use crate::delivery::{assert_no_violation, backend, is_complete, to};
use crate::process::Manager;

const STATE: &str = "kyma.module.status.state";

fn has(view: &View, state: &str) -> bool {
    view.value(STATE, &[("name", "nats"), ("state", state)]).is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_ends_nothing_and_the_next_leader_goes_on() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    cluster.pipeline("backend", to(&backend)).await;
    let mut first = Manager::start(&cluster).await;
    until("the first leads", async || first.leads().await).await;
    let second = Manager::start(&cluster).await;
    until("the second is ready", async || second.readyz().await.0 == 200).await;
    backend.wait_for(is_complete, PATIENCE).await.unwrap();
    assert!(first.metrics().await.contains("kyma_module_status_state{"));
    let page = second.metrics().await;
    assert!(!page.contains("kyma_module_status_state{"), "a follower shows module series");
    assert!(page.contains("status_manager_watch_synced{"), "a follower stays warm");

    // What changes and ends last before the hand-over is sent by the leader that goes.
    cluster.patch_status("NATS", json!({"state": "Error"})).await;
    assert!(first.stop().await.success());
    assert!(has(&backend.view(), "Error"), "{}", first.log());
    let connections = backend.connections();
    let view = backend
        .wait_for(|view| view.requests().last().is_some_and(|last| last.connection > connections), PATIENCE)
        .await
        .unwrap();
    assert!(is_complete(&view));

    cluster.patch_status("NATS", json!({"state": "Ready"})).await;
    let view = backend.wait_for(|view| has(view, "Ready"), PATIENCE).await.unwrap();
    assert!(!has(&view, "Error") && is_complete(&view));
    assert!(second.leads().await);
    assert_no_violation(&backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_the_other_replica_leads_when_the_lease_has_run_out_and_ends_what_ended_meanwhile() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    cluster.pipeline("backend", to(&backend)).await;
    let mut first = Manager::start(&cluster).await;
    until("the first leads", async || first.leads().await).await;
    let second = Manager::start(&cluster).await;
    until("the second is ready", async || second.readyz().await.0 == 200).await;
    backend.wait_for(is_complete, PATIENCE).await.unwrap();
    first.kill().await;
    cluster.delete("Keda").await;
    cluster.patch_status("NATS", json!({"state": "Error"})).await;
    let view = backend.wait_for(|view| has(view, "Error"), PATIENCE).await.unwrap();
    assert_eq!(view.live().len(), 18, "Keda is ended: {view}");
    assert!(second.leads().await);
    assert_no_violation(&backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_election_a_replica_leads_at_once_and_writes_no_lease() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    cluster.pipeline("backend", to(&backend)).await;
    let mut manager = Manager::start_with(&cluster, &["--leader-elect=false"]).await;
    backend.wait_for(is_complete, PATIENCE).await.unwrap();
    let leases: kube::Api<k8s_openapi::api::coordination::v1::Lease> =
        kube::Api::namespaced(cluster.client.clone(), crate::cluster::NAMESPACE);
    assert!(leases.get_opt("status-manager").await.unwrap().is_none());
    assert!(manager.stop().await.success());
    assert!(is_complete(&backend.view()), "a stop ends nothing");
}
