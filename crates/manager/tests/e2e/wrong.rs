//! What a user, a module, the cluster or a backend can get wrong, and what is said of it.

use memory_api::{Fault, Selection};
use memory_backend::{Code, Fault as BackendFault};
use serde_json::json;

use crate::cluster::{Cluster, PATIENCE, until};
use crate::delivery::{assert_no_violation, backend, is_complete, to};
use crate::process::Manager;

const STATE: &str = "kyma.module.status.state";
const KEDAS: &str = "kedas.operator.kyma-project.io";

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_status_removes_itself_only_and_is_logged_once() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    cluster.pipeline("backend", to(&backend)).await;
    let manager = Manager::start(&cluster).await;
    backend.wait_for(is_complete, PATIENCE).await.unwrap();
    let conditions = json!([5, {"type": "Installed", "status": "True", "reason": "Fine"}]);
    cluster.patch_status("Keda", json!({"state": {"nested": true}, "conditions": conditions})).await;
    cluster.patch_status("NATS", json!({"state": "Error"})).await;
    let view = backend
        .wait_for(|view| view.value(STATE, &[("name", "nats"), ("state", "Error")]).is_some(), PATIENCE)
        .await
        .unwrap();
    assert_eq!(view.value(STATE, &[("name", "keda")]), None);
    let fine = [("name", "keda"), ("reason", "Fine")];
    assert!(view.value("kyma.module.status.condition", &fine).is_some());
    cluster.patch_status("Keda", json!({"observed": 2})).await;
    until("the problems are counted", async || {
        manager.metrics().await.contains("status_manager_problems_total{")
    })
    .await;
    let log = manager.log();
    assert_eq!(log.matches("status.state is an object instead of a string").count(), 1, "{log}");
    assert_eq!(log.matches("status.conditions[0] is a number instead of an object").count(), 1, "{log}");
    assert_no_violation(&backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deeply_nested_or_huge_status_harms_nobody() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    cluster.pipeline("backend", to(&backend)).await;
    let _manager = Manager::start(&cluster).await;
    backend.wait_for(is_complete, PATIENCE).await.unwrap();
    let deep = (0..100).fold(json!("end"), |inner, _| json!({"deeper": inner}));
    let many: Vec<_> = (0..2_000)
        .map(
            |n| json!({"type": format!("T{n}"), "status": "True", "reason": "R", "message": "m".repeat(200)}),
        )
        .collect();
    cluster.patch_status("Keda", json!({"state": "Ready", "deep": deep, "conditions": many})).await;
    let view = backend.wait_for(|view| view.live().len() > 500, PATIENCE).await.unwrap();
    assert_eq!(
        view.matching("kyma.module.status.condition", &[("name", "keda")]).count(),
        1_000,
        "but for the state"
    );
    assert_no_violation(&backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_configuration_is_said_in_its_condition() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    let _manager = Manager::start(&cluster).await;
    let mut table = String::new();
    let mut cases = Vec::new();
    let endpoint = |endpoint: &str| json!({"output": {"otlp": {"endpoint": {"value": endpoint}}}});
    cases.push(("grpc without port", endpoint("https://backend")));
    cases.push(("grpc with path", endpoint("https://backend:4317/v1/metrics")));
    let mut header = to(&backend);
    header["output"]["otlp"]["headers"] = json!([{"name": "no blanks", "value": "x"}]);
    cases.push(("header name", header));
    let mut header = to(&backend);
    header["output"]["otlp"]["headers"] = json!([{"name": "x-token", "value": "ü"}]);
    cases.push(("header value", header));
    let mut pem = to(&backend);
    pem["output"]["otlp"]["tls"] = json!({"insecure": true, "ca": {"value": "no PEM"}});
    cases.push(("PEM", pem));
    let mut module = to(&backend);
    module["input"]["kyma"]["modules"] = json!(["telemetry", "telemetrie"]);
    cases.push(("unknown module", module));
    for (title, spec) in cases {
        let name = title.to_lowercase().replace(' ', "-");
        cluster.pipeline(&name, spec).await;
        let kind = if title == "unknown module" { "ModulesObserved" } else { "ConfigurationGenerated" };
        let said = cluster.condition(&name, kind, |condition| condition.starts_with("False")).await;
        table.push_str(&[title, ": ", &said, "\n"].concat());
    }
    insta::assert_snapshot!(table);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_younger_of_two_pipelines_for_the_same_backend_is_held_back() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    cluster.pipeline("a-older", to(&backend)).await;
    let _manager = Manager::start(&cluster).await;
    backend.wait_for(is_complete, PATIENCE).await.unwrap();
    cluster.pipeline("b-younger", to(&backend)).await;
    let said = cluster.reason("b-younger", "ConfigurationGenerated", "DuplicateOutput").await;
    assert!(said.contains("MetricPipeline a-older is older"), "{said}");
    cluster.delete_pipeline("a-older").await;
    cluster.reason("b-younger", "TelemetryFlowHealthy", "FlowHealthy").await;
    assert!(is_complete(&backend.view()));
    assert_eq!(
        backend.view().ended(),
        Vec::<String>::new(),
        "the younger goes on with the series of the older"
    );
    assert_no_violation(&backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_is_forbidden_missing_or_removed_says_so_and_recovers_by_itself() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    if cluster.memory.is_none() {
        return; // Rights on a real API server are another suite's.
    }
    let api = cluster.memory();
    let fault = api.faults().add(Fault::forbidden(Selection::resource(KEDAS)));
    cluster.pipeline("backend", to(&backend)).await;
    let manager = Manager::start(&cluster).await;
    let said = cluster.reason("backend", "ModulesObserved", "ModuleForbidden").await;
    insta::assert_snapshot!(said);
    backend.wait_for(|view| view.live().len() == 18, PATIENCE).await.unwrap();
    let (code, page) = manager.readyz().await;
    assert_eq!(
        (code, page.as_str()),
        (200, "ready\nnote: kedas.operator.kyma-project.io: the manager may not list it\n")
    );
    api.faults().lift(fault);
    backend.wait_for(is_complete, PATIENCE).await.unwrap();

    let definition = crate::cluster::yaml(memory_api::seed::CRDS)
        .into_iter()
        .find(|definition| definition["metadata"]["name"] == KEDAS)
        .unwrap();
    api.delete("customresourcedefinitions.apiextensions.k8s.io", "", KEDAS).unwrap();
    let said = cluster.reason("backend", "ModulesObserved", "ModuleNotInstalled").await;
    insta::assert_snapshot!(said, @"False ModuleNotInstalled: Not installed in the cluster is keda (kedas.operator.kyma-project.io).");
    backend.wait_for(|view| view.live().len() == 18, PATIENCE).await.unwrap();
    cluster.apply(&definition).await;
    cluster.reason("backend", "ModulesObserved", "AllModulesObserved").await;
    assert_no_violation(&backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_breaks_expires_or_is_refused_goes_on_where_it_was() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    if cluster.memory.is_none() {
        return;
    }
    let api = cluster.memory();
    cluster.pipeline("backend", to(&backend)).await;
    api.requests().clear();
    let _manager = Manager::start(&cluster).await;
    backend.wait_for(is_complete, PATIENCE).await.unwrap();
    let kedas = Selection::resource(KEDAS);
    api.watches().until(&kedas.clone().verb("watch"), 1).await;
    let lists = || api.requests().count(&kedas.clone().verb("list"));
    assert_eq!(lists(), 1);

    let state = async |state: &str| {
        cluster.patch_status("Keda", json!({"state": state})).await;
        let attributes = [("name", "keda"), ("state", state)];
        backend.wait_for(|view| view.value(STATE, &attributes).is_some(), PATIENCE).await.unwrap();
    };
    assert_eq!(api.watches().cut(&kedas), 1);
    state("Error").await;
    assert_eq!(api.watches().end(&kedas), 1);
    state("Warning").await;
    assert_eq!(lists(), 1, "a reconnect costs no list");
    assert_eq!(api.watches().expire(&kedas), 1);
    state("Processing").await;
    assert_eq!(lists(), 2, "410 Gone costs one");

    let fault = api.faults().add(Fault::status(kedas.clone(), 500));
    api.watches().cut(&kedas);
    let said = cluster.reason("backend", "ModulesObserved", "WatchFailed").await;
    assert!(said.contains("The watch of keda (kedas.operator.kyma-project.io) fails"), "{said}");
    api.faults().lift(fault);
    cluster.reason("backend", "ModulesObserved", "AllModulesObserved").await;
    let view = backend.view();
    assert_eq!(view.live().len(), 20, "the last values went on");
    assert_no_violation(&backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_refuses_asks_to_wait_or_takes_a_part_is_said() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    cluster.pipeline("backend", to(&backend)).await;
    backend.faults().always(BackendFault::grpc(Code::InvalidArgument, "no such tenant"));
    let manager = Manager::start_with(&cluster, &["--heartbeat", "1s"]).await;
    let said = cluster.reason("backend", "TelemetryFlowHealthy", "GatewayAllTelemetryDataDropped").await;
    insta::assert_snapshot!(said, @"False GatewayAllTelemetryDataDropped: The backend refuses all metrics, and they are dropped: InvalidArgument: no such tenant.");
    backend.faults().clear();
    cluster.reason("backend", "TelemetryFlowHealthy", "FlowHealthy").await;

    backend.faults().always(BackendFault::partial_success(2, "2 points are too old"));
    let said = cluster.reason("backend", "TelemetryFlowHealthy", "GatewaySomeTelemetryDataDropped").await;
    insta::assert_snapshot!(said, @"False GatewaySomeTelemetryDataDropped: Some metrics were not accepted and are dropped: 2 points are too old.");
    backend.faults().clear();
    cluster.reason("backend", "TelemetryFlowHealthy", "FlowHealthy").await;

    backend.faults().always(BackendFault::NotOtlp);
    let said = cluster.reason("backend", "TelemetryFlowHealthy", "BackendUnavailable").await;
    assert!(said.contains("sending is retried"), "{said}");
    backend.faults().clear();
    cluster.reason("backend", "TelemetryFlowHealthy", "FlowHealthy").await;
    let page = manager.metrics().await;
    assert!(
        page.contains(r#"status_manager_export_points_total{outcome="dropped",pipeline="backend"}"#),
        "{page}"
    );
    assert_no_violation(&backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_the_lease_or_to_kube_system_nothing_is_sent_and_readyz_says_so() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    if cluster.memory.is_none() {
        return;
    }
    cluster.pipeline("backend", to(&backend)).await;
    let lease =
        cluster.memory().faults().add(Fault::forbidden(Selection::resource("leases.coordination.k8s.io")));
    let namespace = cluster
        .memory()
        .faults()
        .add(Fault::forbidden(Selection::resource("namespaces").name("kube-system")));
    let manager = Manager::start_with(&cluster, &["--cluster-name", "named"]).await;
    until("the replica is ready", async || manager.readyz().await.0 == 200).await;
    insta::assert_snapshot!(manager.readyz().await.1);
    assert_eq!(backend.requests().len(), 0);
    cluster.memory().faults().lift(lease);
    let view = backend.wait_for(is_complete, PATIENCE).await.unwrap();
    let point = view.points().next().unwrap();
    assert_eq!(point.resource.get("k8s.cluster.uid"), None);
    assert_eq!(point.attribute("k8s.cluster.name"), Some("named"));
    cluster.memory().faults().lift(namespace);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_managers_crd_is_left_alone() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    if cluster.memory.is_none() {
        return;
    }
    let api = cluster.memory();
    let name = "metricpipelines.telemetry.kyma-project.io";
    let mut foreign = serde_json::to_value(pipeline_api::crd()).unwrap();
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/input/properties";
    foreign.pointer_mut(spec).unwrap().as_object_mut().unwrap().remove("kyma");
    api.delete("customresourcedefinitions.apiextensions.k8s.io", "", name).unwrap();
    cluster.apply(&foreign).await;
    cluster.pipeline("backend", to(&backend)).await;
    let manager = Manager::start(&cluster).await;
    until("the replica is ready", async || manager.readyz().await.0 == 200).await;
    let (_, page) = manager.readyz().await;
    assert!(
        page.contains("MetricPipeline CRD of another manager; it is left alone, and nothing is sent"),
        "{page}"
    );
    let writes = Selection::resource("metricpipelines.telemetry.kyma-project.io").subresource("status");
    assert_eq!(api.requests().count(&writes), 0);
    cluster.apply(&serde_json::to_value(pipeline_api::crd()).unwrap()).await;
    cluster.reason("backend", "TelemetryFlowHealthy", "FlowHealthy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_closes_is_slow_or_asks_to_wait_gets_the_same_request_again() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    cluster.pipeline("backend", to(&backend)).await;
    let _manager = Manager::start(&cluster).await;
    backend.wait_for(is_complete, PATIENCE).await.unwrap();
    let faults = [
        ("Error", BackendFault::Close),
        ("Warning", BackendFault::Hang),
        (
            "Processing",
            BackendFault::http(429, "quota").with_retry_after(std::time::Duration::from_secs(1)).into(),
        ),
        ("Deleting", BackendFault::grpc(Code::Unavailable, "restarting").into()),
    ];
    for (state, fault) in faults {
        let before = backend.requests().len();
        backend.faults().next(1, fault);
        cluster.patch_status("Keda", json!({"state": state})).await;
        let attributes = [("name", "keda"), ("state", state)];
        let view = backend.wait_for(|view| view.value(STATE, &attributes).is_some(), PATIENCE).await.unwrap();
        let since = &view.requests()[before..];
        let failed = since.iter().position(|request| request.taken().is_empty()).unwrap();
        // Of a request that was cut off nothing is known.
        let [first, second] = [&since[failed].body, &since[failed + 1].body];
        assert!(first.is_empty() || first == second, "other bytes after {state}");
    }
    backend.faults().always(BackendFault::http(429, "quota of 7 exceeded"));
    cluster.patch_status("Keda", json!({"state": "Ready"})).await;
    let said = cluster.reason("backend", "TelemetryFlowHealthy", "BackendUnavailable").await;
    assert!(said.contains("429 Too Many Requests") && said.contains("nothing is lost yet"), "{said}");
    backend.faults().clear();
    cluster.reason("backend", "TelemetryFlowHealthy", "FlowHealthy").await;
    assert_no_violation(&backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_api_server_is_away_nothing_changes_and_its_return_needs_no_help() {
    let (mut cluster, backend) = (Cluster::start().await, backend().await);
    if cluster.memory.is_none() {
        return; // It cannot be stopped from here.
    }
    cluster.pipeline("backend", to(&backend)).await;
    let manager = Manager::start_with(&cluster, &["--heartbeat", "1s"]).await;
    backend.wait_for(is_complete, PATIENCE).await.unwrap();
    let server = cluster.memory.as_mut().unwrap();
    server.stop().await;
    until("the replica says what it waits for", async || {
        let (code, page) = manager.readyz().await;
        code == 503 && page.contains("waiting: lease: the Lease cannot be read or renewed")
    })
    .await;
    let sent = backend.requests().len();
    backend.wait_for(|view| view.requests().len() > sent + 2, PATIENCE).await.unwrap();

    // Longer than this replica may speak.
    until("nothing is sent any more", async || {
        let sent = backend.requests().len();
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        backend.requests().len() == sent
    })
    .await;
    assert!(is_complete(&backend.view()), "nothing is ended");
    let server = cluster.memory.as_mut().unwrap();
    server.start().await.unwrap();
    cluster.patch_status("Keda", json!({"state": "Error"})).await;
    let error = [("name", "keda"), ("state", "Error")];
    backend.wait_for(|view| view.value(STATE, &error).is_some(), PATIENCE).await.unwrap();
    until("the replica is ready", async || manager.readyz().await.0 == 200).await;
    assert_no_violation(&backend);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_cannot_be_read_is_said_without_its_values_and_hides_no_other() {
    let (cluster, backend) = (Cluster::start().await, backend().await);
    if cluster.memory.is_none() {
        return; // A real API server refuses it.
    }
    let mut spec = to(&backend);
    spec["input"]["kyma"]["enabled"] = json!("yes");
    spec["output"]["otlp"]["authentication"] =
        json!({"basic": {"user": {"value": "u"}, "password": {"value": "PASSW0RD"}}});
    cluster.pipeline("unreadable", spec).await;
    cluster.pipeline("readable", to(&backend)).await;
    let manager = Manager::start(&cluster).await;
    let said = cluster.unread_reason("unreadable", "ConfigurationGenerated", "ValidationFailed").await;
    assert!(said.contains("cannot be read"), "{said}");
    backend.wait_for(is_complete, PATIENCE).await.unwrap();
    cluster.reason("readable", "TelemetryFlowHealthy", "FlowHealthy").await;
    let log = manager.log();
    assert!(!log.contains("PASSW0RD") && !log.contains("Status not written"), "{log}");
}
