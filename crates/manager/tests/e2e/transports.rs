//! gRPC and HTTP, compression, headers, TLS and mutual TLS.

use memory_backend::{Backend, Pki, Protocol, Tls};
use serde_json::{Value, json};

use crate::cluster::{Cluster, NAMESPACE, PATIENCE};
use crate::delivery::{assert_no_violation, is_complete, to};
use crate::process::Manager;

async fn with_tls(tls: Tls) -> Backend {
    Backend::builder().strict().tls(tls).start().await.unwrap()
}

/// Runs one pipeline against a backend, and returns the last request.
async fn arrives(backend: &Backend, spec: Value) -> std::sync::Arc<memory_backend::Request> {
    let cluster = Cluster::start().await;
    cluster.pipeline("backend", spec).await;
    let _manager = Manager::start(&cluster).await;
    backend.wait_for(is_complete, PATIENCE).await.unwrap();
    cluster.reason("backend", "TelemetryFlowHealthy", "FlowHealthy").await;
    assert_no_violation(backend);
    backend.requests().last().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn by_grpc_with_gzip_and_headers() {
    let backend = Backend::builder().strict().start().await.unwrap();
    let mut spec = to(&backend);
    spec["output"]["otlp"]["headers"] = json!([{"name": "X-Token", "prefix": "Bearer", "value": "t"}]);
    let request = arrives(&backend, spec).await;
    assert_eq!((request.protocol, request.encoding.as_str()), (Protocol::Grpc, "gzip"));
    assert_eq!(request.header("x-token"), Some("Bearer t"));
}

#[tokio::test(flavor = "multi_thread")]
async fn by_http_with_zstd_a_path_and_basic_authentication() {
    let backend = Backend::builder().strict().path("/otlp/metrics").start().await.unwrap();
    let mut spec = to(&backend);
    spec["output"]["otlp"]["protocol"] = json!("http");
    spec["output"]["otlp"]["path"] = json!("/otlp/metrics");
    spec["output"]["otlp"]["compression"] = json!("zstd");
    spec["output"]["otlp"]["authentication"] =
        json!({"basic": {"user": {"value": "u"}, "password": {"value": "p"}}});
    let request = arrives(&backend, spec).await;
    assert_eq!((request.protocol, request.encoding.as_str()), (Protocol::Http, "zstd"));
    assert_eq!(request.path, "/otlp/metrics");
    assert_eq!(request.header("authorization"), Some("Basic dTpw"));
}

#[tokio::test(flavor = "multi_thread")]
async fn by_http_without_compression_on_the_usual_path() {
    let backend = Backend::builder().strict().start().await.unwrap();
    let mut spec = to(&backend);
    spec["output"]["otlp"]["protocol"] = json!("http");
    spec["output"]["otlp"]["compression"] = json!("none");
    let request = arrives(&backend, spec).await;
    assert_eq!((request.encoding.as_str(), request.path.as_str()), ("identity", "/v1/metrics"));
}

#[tokio::test(flavor = "multi_thread")]
async fn under_tls_of_an_authority_that_is_given() {
    let pki = Pki::new().unwrap();
    for protocol in ["grpc", "http"] {
        let backend = with_tls(Tls::new(pki.server().unwrap())).await;
        let mut spec = to(&backend);
        spec["output"]["otlp"]["protocol"] = json!(protocol);
        spec["output"]["otlp"]["tls"] = json!({"ca": {"value": pki.ca_pem()}});
        arrives(&backend, spec).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_mutual_tls_with_certificates_from_a_secret() {
    let pki = Pki::new().unwrap();
    let client = pki.client("manager").unwrap();
    let cluster = Cluster::start().await;
    let data = json!({"ca": pki.ca_pem(), "cert": client.cert_pem, "key": client.key_pem});
    cluster.secret("certificates", data).await;
    let from = |key| json!({"valueFrom": {"secretKeyRef": {"namespace": NAMESPACE, "name": "certificates", "key": key}}});
    let (grpc, http) = (
        with_tls(Tls::new(pki.server().unwrap()).with_client_ca(pki.ca_pem())).await,
        with_tls(Tls::new(pki.server().unwrap()).with_client_ca(pki.ca_pem())).await,
    );
    for (name, backend) in [("grpc", &grpc), ("http", &http)] {
        let mut spec = to(backend);
        spec["output"]["otlp"]["protocol"] = json!(name);
        spec["output"]["otlp"]["tls"] = json!({"ca": from("ca"), "cert": from("cert"), "key": from("key")});
        cluster.pipeline(name, spec).await;
    }
    let _manager = Manager::start(&cluster).await;
    for backend in [&grpc, &http] {
        let view = backend.wait_for(is_complete, PATIENCE).await.unwrap();
        assert_eq!(view.requests()[0].client_subject.as_deref(), Some("CN=manager"));
        assert_no_violation(backend);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_is_refused_and_said_unless_verification_is_off() {
    let (pki, other) = (Pki::new().unwrap(), Pki::new().unwrap());
    let backend = with_tls(Tls::new(pki.server().unwrap())).await;
    let cluster = Cluster::start().await;
    let mut spec = to(&backend);
    spec["output"]["otlp"]["tls"] = json!({"ca": {"value": other.ca_pem()}});
    cluster.pipeline("backend", spec.clone()).await;
    let _manager = Manager::start(&cluster).await;
    let said = cluster.reason("backend", "TelemetryFlowHealthy", "BackendUnavailable").await;
    assert!(said.contains("UnknownIssuer"), "{said}");
    assert_eq!(backend.requests().len(), 0);

    spec["output"]["otlp"]["tls"]["insecureSkipVerify"] = json!(true);
    cluster.pipeline("backend", spec).await;
    backend.wait_for(is_complete, PATIENCE).await.unwrap();
    cluster.reason("backend", "TelemetryFlowHealthy", "FlowHealthy").await;
}
