//! TLS and mutual TLS.

use std::sync::Arc;

use http::Request;
use http_body_util::Full;
use memory_backend::opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use memory_backend::{Backend, Identity, Pki, Tls};
use prost::Message as _;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use crate::message::ready;
use crate::send::{LONG, send_over};

/// Exports once, trusting one CA and showing one certificate.
async fn export(backend: &Backend, ca: &Pki, client: Option<&Identity>) -> Result<(), String> {
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca.ca_pem()));
    if let Some(client) = client {
        tls = tls.identity(tonic::transport::Identity::from_pem(&client.cert_pem, &client.key_pem));
    }
    let endpoint = Endpoint::from_shared(backend.endpoint()).unwrap().tls_config(tls).unwrap();
    let channel = endpoint.connect().await.map_err(|error| format!("{error:?}"))?;
    MetricsServiceClient::new(channel).export(ready(1)).await.map_err(|status| format!("{status:?}"))?;
    Ok(())
}

#[tokio::test]
async fn tls_is_spoken_to_those_who_trust_the_ca() {
    let pki = Pki::new().unwrap();
    let backend = Backend::builder().tls(Tls::new(pki.server().unwrap())).start().await.unwrap();
    assert!(backend.endpoint().starts_with("https://127.0.0.1:"));
    export(&backend, &pki, None).await.unwrap();

    let error = export(&backend, &Pki::new().unwrap(), None).await.unwrap_err();
    assert!(error.contains("UnknownIssuer"), "{error}");
    backend.wait_for(|_| backend.failed_handshakes().len() == 1, LONG).await.unwrap();
    assert_eq!(backend.requests().len(), 1);
    assert_eq!(backend.requests()[0].client_subject, None);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_by_the_client() {
    let pki = Pki::new().unwrap();
    let server = pki.server_named("elsewhere.example").unwrap();
    let backend = Backend::builder().tls(Tls::new(server)).start().await.unwrap();
    let error = export(&backend, &pki, None).await.unwrap_err();
    assert!(error.contains("NotValidForName"), "{error}");
}

#[tokio::test]
async fn mutual_tls_takes_only_certificates_that_are_valid_now_and_of_its_ca() {
    let pki = Pki::new().unwrap();
    let tls = Tls::new(pki.server().unwrap()).with_client_ca(pki.ca_pem());
    let backend = Backend::builder().tls(tls).start().await.unwrap();
    export(&backend, &pki, Some(&pki.client("manager").unwrap())).await.unwrap();
    assert_eq!(backend.requests()[0].client_subject.as_deref(), Some("CN=manager"));

    let foreign = Pki::new().unwrap().client("manager").unwrap();
    let (expired, future) = (pki.expired_client("old").unwrap(), pki.future_client("new").unwrap());
    for client in [None, Some(&foreign), Some(&expired), Some(&future)] {
        export(&backend, &pki, client).await.unwrap_err();
    }
    backend.wait_for(|_| backend.failed_handshakes().len() == 4, LONG).await.unwrap();
    let reasons = backend.failed_handshakes();
    let without_times = reasons.iter().map(|reason| reason.split(": verification").next().unwrap());
    insta::assert_snapshot!(without_times.collect::<Vec<_>>().join("\n"));
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn http_1_is_spoken_over_tls() {
    let pki = Pki::new().unwrap();
    let backend = Backend::builder().tls(Tls::new(pki.server().unwrap())).start().await.unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pki.ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(backend.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let request = Request::post("/v1/metrics").header("content-type", "application/x-protobuf");
    let request = request.body(Full::from(ready(1).encode_to_vec())).unwrap();
    assert_eq!(send_over(stream, request).await.unwrap().status(), 200);
    assert_eq!(backend.points().len(), 1);
}
