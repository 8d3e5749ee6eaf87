//! What a spec comes to, once it is checked and its Secrets are read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::endpoint::Endpoint;
use crate::output::{Compression, Protocol};
use crate::pipeline::MetricSet;
use crate::reference::SecretKeyRef;
use crate::secret::Secret;
use crate::validity::ExpiringCertificate;

/// A pipeline that can run. Equal values need no new exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolved {
    /// What to observe; `None` if the input is disabled.
    pub selection: Option<Selection>,
    /// Where to send it; `None` if it is served for scraping only.
    pub output: Option<OtlpOutput>,
    /// Certificates that work and need attention.
    pub expiring: Vec<ExpiringCertificate>,
    /// When the passing of time alone may change the answer.
    pub recheck_at: Option<SystemTime>,
}

/// What a pipeline observes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The modules.
    pub modules: Modules,
    /// The metric sets, at least one.
    pub sets: BTreeSet<MetricSet>,
}

/// The modules of a selection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Modules {
    /// Every module of the catalog.
    All,
    /// The modules of these names, at least one.
    Named(BTreeSet<String>),
}

/// An OTLP output, ready to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtlpOutput {
    /// The protocol.
    pub protocol: Protocol,
    /// Where requests go, the whole path included.
    pub endpoint: Endpoint,
    /// The compression of requests.
    pub compression: Compression,
    /// The headers of each request, that of basic authentication included, each name once.
    pub headers: Vec<(HeaderName, Secret)>,
    /// How the connection is secured.
    pub tls: Tls,
    pub(crate) user: Option<Secret>,
    pub(crate) destination: Destination,
}

/// How a connection is secured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    Plaintext,
    /// With TLS.
    Tls(TlsConfig),
}

/// The TLS options of an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Whether the backend's certificate is taken as it is.
    pub skip_verify: bool,
    /// The authorities to trust, at least one; `None` for those of the system.
    pub ca: Option<Vec<CertificateDer<'static>>>,
    /// The client certificate.
    pub client: Option<ClientCertificate>,
}

/// A client certificate and its key, which belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, followed by its intermediates.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key of the first certificate.
    pub key: Arc<PrivateKeyDer<'static>>,
}

/// The backend that a pipeline's series belong to.
///
/// Two destinations are equal if the endpoint, with its path, is the same *now*, and header names, prefixes and
/// values, user and client certificate are *written* the same way: as the same plain value, or as the same key of the
/// same Secret. So a rotated token or certificate leaves the destination as it is, and its series go on; a reference to
/// another Secret is another destination, and the series end at the old one. An endpoint that changes is another
/// backend, even if it changes inside a Secret.
///
/// Which pipelines are in each other's way is another question: [`duplicates`](crate::duplicates) compares what is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub(crate) endpoint: Endpoint,
    pub(crate) headers: Vec<WrittenHeader>,
    pub(crate) user: Option<Written>,
    pub(crate) client_certificate: Option<Written>,
}

/// A header as written: name, prefix, value.
pub(crate) type WrittenHeader = (HeaderName, Option<Secret>, Written);

/// A value as it is written in a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Inline(Secret),
    Reference(SecretKeyRef),
}

impl Modules {
    /// Whether a module is selected.
    pub fn contains(&self, module: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(module),
        }
    }
}

impl Selection {
    /// Whether some series may be in both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let modules = match (&self.modules, &other.modules) {
            (Modules::Named(ours), Modules::Named(theirs)) => !ours.is_disjoint(theirs),
            _ => true,
        };
        modules && !self.sets.is_disjoint(&other.sets)
    }
}

impl OtlpOutput {
    /// The backend that the series belong to.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// The headers, marked as sensitive, so that no library logs or indexes them.
    pub fn header_map(&self) -> HeaderMap {
        let sensitive = |(name, value): &(HeaderName, Secret)| {
            let mut value = HeaderValue::from_bytes(value.expose()).ok()?;
            value.set_sensitive(true);
            Some((name.clone(), value))
        };
        self.headers.iter().filter_map(sensitive).collect()
    }

    /// Whether a backend could not tell the requests of the two apart.
    pub fn same_backend(&self, other: &Self) -> bool {
        self.endpoint == other.endpoint
            && self.user == other.user
            && self.sorted_headers() == other.sorted_headers()
            && self.client_chain() == other.client_chain()
    }

    /// Without `authorization` of basic authentication: of that, the user alone counts.
    fn sorted_headers(&self) -> Vec<(&str, &[u8])> {
        let basic = self.user.is_some();
        let counts = |name: &HeaderName| !(basic && *name == http::header::AUTHORIZATION);
        let headers = self.headers.iter().filter(|(name, _)| counts(name));
        let mut headers: Vec<_> = headers.map(|(name, value)| (name.as_str(), value.expose())).collect();
        headers.sort_unstable();
        headers
    }

    fn client_chain(&self) -> Option<&[CertificateDer<'static>]> {
        match &self.tls {
            Tls::Tls(TlsConfig { client: Some(client), .. }) => Some(&client.chain),
            _ => None,
        }
    }
}
