//! Certificates and keys from PEM.

use std::borrow::Cow;
use std::sync::Arc;

use rustls::crypto::ring::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why a PEM is not what it should be. No variant quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// The value is not UTF-8 or not a well-formed PEM.
    #[error("is not a valid PEM")]
    NotPem,
    /// There is no `CERTIFICATE` section.
    #[error("contains no certificate")]
    NoCertificate,
    /// A `CERTIFICATE` section holds something else.
    #[error("contains a section that is not an X.509 certificate")]
    NotACertificate,
    /// A certificate cannot be used to verify others.
    #[error("contains a certificate that cannot be trusted as an authority")]
    NotAnAuthority,
    /// There is no private key.
    #[error("contains no private key")]
    NoKey,
    /// The private key needs a passphrase.
    #[error("contains an encrypted private key; a key without passphrase is needed")]
    EncryptedKey,
    /// The private key is of a kind that TLS does not use here.
    #[error("contains a private key of an unsupported kind; RSA, ECDSA and Ed25519 keys are supported")]
    UnsupportedKey,
    /// The key belongs to another certificate.
    #[error("does not belong to the certificate in tls.cert")]
    KeyMismatch,
    /// The first certificate cannot be used as a client certificate.
    #[error("contains a first certificate that cannot be used as a client certificate")]
    UnusableCertificate,
}

/// All certificates of a PEM, at least one.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let pem = with_line_breaks(pem)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(PemError::NoCertificate),
        Ok(certificates) => Ok(certificates),
        Err(_) => Err(PemError::NotPem),
    }
}

/// The first private key of a PEM: PKCS#8, PKCS#1 or SEC1.
pub(crate) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    let pem = with_line_breaks(pem)?;
    if pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || pem.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(PemError::EncryptedKey);
    }
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(key) => Ok(key),
        Err(rustls_pki_types::pem::Error::NoItemsFound) => Err(PemError::NoKey),
        Err(_) => Err(PemError::NotPem),
    }
}

/// Whether every certificate can serve as an authority, so that nothing fails later.
pub(crate) fn usable_authorities(certificates: &[CertificateDer<'static>]) -> Result<(), PemError> {
    let mut store = RootCertStore::empty();
    certificates
        .iter()
        .try_for_each(|certificate| store.add(certificate.clone()))
        .map_err(|_| PemError::NotAnAuthority)
}

/// Whether the key is that of the first certificate.
pub(crate) fn keys_match(
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
) -> Result<(), PemError> {
    let signing_key = any_supported_type(key).map_err(|_| PemError::UnsupportedKey)?;
    match CertifiedKey::new(chain.to_vec(), Arc::clone(&signing_key)).keys_match() {
        // "Unknown" says that the key cannot tell its public half, which is nothing against it.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(()),
        Err(Error::InconsistentKeys(_)) => Err(PemError::KeyMismatch),
        Err(_) => Err(PemError::UnusableCertificate),
    }
}

/// A PEM that went through an environment variable or a JSON document often has `\n` spelled out. A backslash
/// has no other place in a PEM.
fn with_line_breaks(pem: &[u8]) -> Result<Cow<'_, str>, PemError> {
    let text = std::str::from_utf8(pem).map_err(|_| PemError::NotPem)?;
    if text.contains('\\') {
        return Ok(Cow::Owned(text.replace("\\r", "").replace("\\n", "\n")));
    }
    Ok(Cow::Borrowed(text))
}
