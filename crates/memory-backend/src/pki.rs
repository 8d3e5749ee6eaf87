//! Certificates for tests, made on the spot.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// Each authority has a name of its own, so that a foreign certificate is one of an unknown issuer.
static MADE: AtomicU64 = AtomicU64::new(1);

const DAY: Duration = Duration::from_hours(24);

/// A certificate authority that issues what a test needs.
pub struct Pki {
    ca: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Identity {
    /// The certificate.
    pub cert_pem: String,
    /// The private key, PKCS #8.
    pub key_pem: String,
}

/// A certificate that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("make a certificate for {name}")]
pub struct PkiError {
    name: String,
    source: rcgen::Error,
}

impl Pki {
    /// A new authority with a key of its own; two of them do not trust each other.
    pub fn new() -> Result<Self, PkiError> {
        let name = format!("memory-backend test CA {}", MADE.fetch_add(1, Ordering::Relaxed));
        let make = || -> Result<_, rcgen::Error> {
            let mut params = CertificateParams::new(Vec::new())?;
            params.distinguished_name.push(DnType::CommonName, &name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            CertifiedIssuer::self_signed(params, KeyPair::generate()?)
        };
        make().map(|ca| Self { ca }).map_err(|source| PkiError { name: name.clone(), source })
    }

    /// The certificate of the authority.
    pub fn ca_pem(&self) -> String {
        self.ca.pem()
    }

    /// A server certificate for `localhost`, `127.0.0.1` and `::1`, valid now.
    pub fn server(&self) -> Result<Identity, PkiError> {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
        self.issue("localhost", names, ExtendedKeyUsagePurpose::ServerAuth, around_now())
    }

    /// A server certificate for one other name, so that a client that asks for `localhost` refuses it.
    pub fn server_named(&self, name: &str) -> Result<Identity, PkiError> {
        self.issue(name, vec![name.to_owned()], ExtendedKeyUsagePurpose::ServerAuth, around_now())
    }

    /// A client certificate, valid now.
    pub fn client(&self, name: &str) -> Result<Identity, PkiError> {
        self.client_valid(name, around_now())
    }

    /// A client certificate that ended yesterday.
    pub fn expired_client(&self, name: &str) -> Result<Identity, PkiError> {
        let now = SystemTime::now();
        self.client_valid(name, (now - 30 * DAY, now - DAY))
    }

    /// A client certificate that begins tomorrow.
    pub fn future_client(&self, name: &str) -> Result<Identity, PkiError> {
        let now = SystemTime::now();
        self.client_valid(name, (now + DAY, now + 30 * DAY))
    }

    /// A client certificate with these first and last instants of validity.
    pub fn client_valid(&self, name: &str, validity: (SystemTime, SystemTime)) -> Result<Identity, PkiError> {
        self.issue(name, Vec::new(), ExtendedKeyUsagePurpose::ClientAuth, validity)
    }

    fn issue(
        &self,
        name: &str,
        alternative_names: Vec<String>,
        usage: ExtendedKeyUsagePurpose,
        (not_before, not_after): (SystemTime, SystemTime),
    ) -> Result<Identity, PkiError> {
        let make = || -> Result<_, rcgen::Error> {
            let mut params = CertificateParams::new(alternative_names)?;
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, name);
            params.use_authority_key_identifier_extension = true;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![usage];
            params.not_before = rcgen::date_time_ymd(1970, 1, 1) + since_epoch(not_before);
            params.not_after = rcgen::date_time_ymd(1970, 1, 1) + since_epoch(not_after);
            let key = KeyPair::generate()?;
            let cert = params.signed_by(&key, &self.ca)?;
            Ok(Identity { cert_pem: cert.pem(), key_pem: key.serialize_pem() })
        };
        make().map_err(|source| PkiError { name: name.to_owned(), source })
    }
}

impl std::fmt::Debug for Pki {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pki").finish_non_exhaustive()
    }
}

fn around_now() -> (SystemTime, SystemTime) {
    let now = SystemTime::now();
    (now - DAY, now + 365 * DAY)
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}
