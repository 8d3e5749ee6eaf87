//! Headers of a request: names and values that a request can carry.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderName;
use thiserror::Error;

use crate::secret::Secret;

/// Headers that a request sets itself; another value would break it.
const RESERVED: [&str; 12] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Why a header cannot be sent. No variant quotes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The name has characters that a header name cannot have.
    #[error("is not a valid header name")]
    Name,
    /// The name is one that requests set themselves.
    #[error("is set by the exporter itself and cannot be configured")]
    Reserved,
    /// The name was used before; basic authentication uses `authorization`.
    #[error("is defined more than once (basic authentication defines 'authorization')")]
    Twice,
    /// The value is empty.
    #[error("has an empty value")]
    Empty,
    /// The value has characters that a header value cannot have.
    #[error("has a value with characters that a header cannot carry; only printable ASCII is possible")]
    Value,
    /// The user has a colon.
    #[error("contains a colon, which basic authentication cannot carry")]
    Colon,
}

/// A valid name that is not reserved, in lower case.
pub(crate) fn name(text: &str) -> Result<HeaderName, HeaderError> {
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| HeaderError::Name)?;
    if RESERVED.contains(&name.as_str()) || name.as_str().starts_with("grpc-") {
        return Err(HeaderError::Reserved);
    }
    Ok(name)
}

/// The value of a header behind its prefix.
pub(crate) fn value(prefix: Option<&str>, value: &Secret) -> Result<Secret, HeaderError> {
    let value = printable(value)?;
    if value.is_empty() {
        return Err(HeaderError::Empty);
    }
    match prefix.map(str::trim).filter(|prefix| !prefix.is_empty()) {
        None => Ok(Secret::new(value)),
        Some(prefix) if prefix.bytes().all(is_printable) => Ok(Secret::new(format!("{prefix} {value}"))),
        Some(_) => Err(HeaderError::Value),
    }
}

/// The user of basic authentication.
pub(crate) fn user(user: &Secret) -> Result<Secret, HeaderError> {
    let user = printable(user)?;
    match user {
        "" => Err(HeaderError::Empty),
        user if user.contains(':') => Err(HeaderError::Colon),
        user => Ok(Secret::new(user)),
    }
}

/// The password of basic authentication; it is encoded, so that only its line break is taken off.
pub(crate) fn password(password: &Secret) -> Secret {
    let bytes = password.expose();
    let end = bytes.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    Secret::new(&bytes[..end])
}

/// The value of the `authorization` header of basic authentication.
pub(crate) fn basic(user: &Secret, password: &Secret) -> Secret {
    let credentials = [user.expose(), b":", password.expose()].concat();
    Secret::new(format!("Basic {}", STANDARD.encode(credentials)))
}

/// The text without the line break that a Secret often ends with.
pub(crate) fn without_line_break(value: &Secret) -> Option<&str> {
    value.expose_text().map(|text| text.trim_end_matches(['\r', '\n']))
}

fn printable(value: &Secret) -> Result<&str, HeaderError> {
    without_line_break(value).filter(|text| text.bytes().all(is_printable)).ok_or(HeaderError::Value)
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}
