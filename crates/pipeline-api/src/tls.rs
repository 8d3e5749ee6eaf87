//! The TLS options of an output, checked.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;

use crate::certificate::{self, PemError};
use crate::output::TlsSpec;
use crate::problem::Problem;
use crate::resolve::Check;
use crate::resolved::{ClientCertificate, TlsConfig, Written};
use crate::validity::{Phase, Validity, date};

const CA: &str = "tls.ca";
const CERT: &str = "tls.cert";
const KEY: &str = "tls.key";

/// The options, and how the client certificate is written.
pub(crate) fn resolve(check: &mut Check<'_>, spec: Option<&TlsSpec>) -> (TlsConfig, Option<Written>) {
    let Some(spec) = spec else { return (TlsConfig::default(), None) };
    let ca = authorities(check, spec);
    let (client, written) = client(check, spec).unzip();
    (TlsConfig { skip_verify: spec.insecure_skip_verify, ca, client }, written)
}

fn authorities(check: &mut Check<'_>, spec: &TlsSpec) -> Option<Vec<CertificateDer<'static>>> {
    let (pem, _) = check.read(CA, spec.ca.as_ref(), None)?;
    let certificates = pem_of(check, CA, certificate::certificates(pem.expose()))?;
    let validities = validities(check, CA, &certificates)?;
    pem_of(check, CA, certificate::usable_authorities(&certificates))?;

    // One authority that is valid is enough: a bundle holds the old one and the new one during a rotation.
    let now = check.now;
    let usable = |validity: &Validity| matches!(validity.phase(now), Phase::Valid | Phase::AboutToExpire);
    let any_usable = validities.iter().any(usable);
    for validity in &validities {
        match validity.phase(now) {
            Phase::Valid => {}
            Phase::NotYetValid if any_usable => {}
            Phase::Expired if any_usable => check.expiring.push(validity.expiring(CA, true)),
            Phase::AboutToExpire => check.expiring.push(validity.expiring(CA, false)),
            Phase::NotYetValid | Phase::Expired => out_of_time(check, CA, validity),
        }
    }
    Some(certificates)
}

fn client(check: &mut Check<'_>, spec: &TlsSpec) -> Option<(ClientCertificate, Written)> {
    let given = |value: Option<&crate::value::ValueType>| {
        value.is_some_and(|value| !matches!(value.source(), Ok(None)))
    };
    if given(spec.cert.as_ref()) != given(spec.key.as_ref()) {
        check.rule("tls", TlsSpec::BOTH_OR_NEITHER);
    }
    let cert = check.read(CERT, spec.cert.as_ref(), None);
    let key = check.read(KEY, spec.key.as_ref(), None);
    let key = key.and_then(|(pem, _)| pem_of(check, KEY, certificate::private_key(pem.expose())));
    let (pem, written) = cert?;
    let chain = pem_of(check, CERT, certificate::certificates(pem.expose()))?;
    for validity in validities(check, CERT, &chain)? {
        match validity.phase(check.now) {
            Phase::Valid => {}
            Phase::AboutToExpire => check.expiring.push(validity.expiring(CERT, false)),
            Phase::NotYetValid | Phase::Expired => out_of_time(check, CERT, &validity),
        }
    }
    let key = key?;
    match certificate::keys_match(&chain, &key) {
        Ok(()) => Some((ClientCertificate { chain, key: Arc::new(key) }, written)),
        Err(error) => {
            let field = if error == PemError::UnusableCertificate { CERT } else { KEY };
            check.problems.push(Problem::Pem { field, error });
            None
        }
    }
}

fn validities(
    check: &mut Check<'_>,
    field: &'static str,
    certificates: &[CertificateDer<'static>],
) -> Option<Vec<Validity>> {
    let validities =
        pem_of(check, field, certificates.iter().map(Validity::of).collect::<Result<Vec<_>, _>>())?;
    for validity in &validities {
        let instant = validity.changes_after(check.now);
        check.changes_at(instant);
    }
    Some(validities)
}

fn out_of_time(check: &mut Check<'_>, field: &'static str, validity: &Validity) {
    let subject = validity.subject.clone();
    check.problems.push(match validity.phase(check.now) {
        Phase::NotYetValid => {
            Problem::CertificateNotYetValid { field, subject, date: date(validity.not_before) }
        }
        _ => Problem::CertificateExpired { field, subject, date: date(validity.not_after) },
    });
}

fn pem_of<T>(check: &mut Check<'_>, field: &'static str, result: Result<T, PemError>) -> Option<T> {
    result.map_err(|error| check.problems.push(Problem::Pem { field, error })).ok()
}
