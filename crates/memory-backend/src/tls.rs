//! TLS and mutual TLS of the server.

use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::pki::Identity;

/// What the backend presents and whom it trusts.
#[derive(Debug, Clone)]
pub struct Tls {
    identity: Identity,
    client_ca_pem: Option<String>,
}

/// TLS settings that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A certificate or key is not PEM.
    #[error("read the PEM of the {what}")]
    Pem {
        /// Which of them.
        what: &'static str,
        /// The cause.
        source: rustls_pki_types::pem::Error,
    },
    /// Certificate and key do not make a server.
    #[error("set up the server's certificate")]
    Server(#[source] rustls::Error),
    /// The CA for client certificates cannot be used.
    #[error("set up the CA for client certificates")]
    ClientCa(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Tls {
    /// The server shows this certificate; any client may connect.
    pub fn new(identity: Identity) -> Self {
        Self { identity, client_ca_pem: None }
    }

    /// Mutual TLS: clients must show a certificate of this CA.
    #[must_use]
    pub fn with_client_ca(mut self, ca_pem: impl Into<String>) -> Self {
        self.client_ca_pem = Some(ca_pem.into());
        self
    }

    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Server)?;
        let builder = match &self.client_ca_pem {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let roots = Arc::new(roots(pem)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                    .build()
                    .map_err(|error| TlsError::ClientCa(error.into()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let certs = certificates(&self.identity.cert_pem, "server certificate")?;
        let key = PrivateKeyDer::from_pem_slice(self.identity.key_pem.as_bytes())
            .map_err(|source| TlsError::Pem { what: "server key", source })?;
        let mut config = builder.with_single_cert(certs, key).map_err(TlsError::Server)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|source| TlsError::Pem { what, source })
}

fn roots(pem: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, "CA for client certificates")? {
        roots.add(certificate).map_err(|error| TlsError::ClientCa(error.into()))?;
    }
    Ok(roots)
}

/// The subject of the first certificate of a peer.
pub(crate) fn subject(certificates: &[CertificateDer<'_>]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificates.first()?).ok()?;
    Some(certificate.subject().to_string())
}
