//! When certificates are valid, and when that changes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::parse_x509_certificate;

use crate::certificate::PemError;

/// So long before its end a certificate is about to expire.
const ABOUT_TO_EXPIRE: i64 = 14 * 24 * 60 * 60;

/// From when until when a certificate is valid, in whole seconds of Unix time, both included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) subject: String,
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
}

/// What the validity of a certificate means at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    NotYetValid,
    Valid,
    AboutToExpire,
    Expired,
}

/// A certificate that works today but needs attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiringCertificate {
    /// The field of the output that has it, `tls.cert` or `tls.ca`.
    pub field: &'static str,
    /// The certificate's subject.
    pub subject: String,
    /// The end of its validity.
    pub not_after: SystemTime,
    /// Whether that end has passed; an authority of a bundle that has others may.
    pub expired: bool,
    date: String,
}

impl Validity {
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Result<Self, PemError> {
        let (rest, parsed) = parse_x509_certificate(certificate).map_err(|_| PemError::NotACertificate)?;
        if !rest.is_empty() {
            return Err(PemError::NotACertificate);
        }
        Ok(Self {
            subject: parsed.subject().to_string(),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
        })
    }

    pub(crate) fn phase(&self, now: i64) -> Phase {
        if now > self.not_after {
            Phase::Expired
        } else if now < self.not_before {
            Phase::NotYetValid
        } else if now >= self.warned_from() {
            Phase::AboutToExpire
        } else {
            Phase::Valid
        }
    }

    /// The next second at which [`phase`](Self::phase) may answer differently.
    pub(crate) fn changes_after(&self, now: i64) -> Option<i64> {
        let instants = [self.not_before, self.warned_from(), self.not_after.saturating_add(1)];
        instants.into_iter().filter(|instant| *instant > now).min()
    }

    pub(crate) fn expiring(&self, field: &'static str, expired: bool) -> ExpiringCertificate {
        let (subject, date) = (self.subject.clone(), date(self.not_after));
        ExpiringCertificate { field, subject, not_after: from_seconds(self.not_after), expired, date }
    }

    fn warned_from(&self) -> i64 {
        self.not_after.saturating_sub(ABOUT_TO_EXPIRE)
    }
}

impl ExpiringCertificate {
    /// What to do about it, as a sentence without full stop.
    pub(crate) fn message(&self) -> String {
        let kind = if self.field == "tls.ca" { "CA certificate" } else { "certificate" };
        let Self { field, subject, date, .. } = self;
        if self.expired {
            format!("The configured {kind} was valid until {date} ({field}, {subject})")
        } else {
            format!(
                "TLS certificate is about to expire, configured {kind} is valid until {date} ({field}, {subject})"
            )
        }
    }
}

/// The day in UTC, as `YYYY-MM-DD`.
pub(crate) fn date(seconds: i64) -> String {
    match Timestamp::from_second(seconds) {
        Ok(timestamp) => timestamp.strftime("%Y-%m-%d").to_string(),
        Err(_) => "an unknown day".to_owned(),
    }
}

/// Whole seconds of Unix time, rounded down; times that do not fit are the nearest that do.
pub(crate) fn to_seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => {
            let before = before.duration();
            let seconds = before.as_secs().saturating_add(u64::from(before.subsec_nanos() > 0));
            i64::try_from(seconds).map_or(i64::MIN, |seconds| -seconds)
        }
    }
}

pub(crate) fn from_seconds(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    time.unwrap_or(UNIX_EPOCH)
}
