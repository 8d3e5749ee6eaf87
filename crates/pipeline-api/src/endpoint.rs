//! The endpoint of an output: parsed once, and valid from then on.

use std::fmt;

use http::Uri;
use thiserror::Error;
use url::Url;

use crate::output::Protocol;

/// What OTLP over HTTP appends to an endpoint for metrics.
const METRICS_PATH: &str = "/v1/metrics";

/// Where requests go.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    host: String,
    port: u16,
    path: String,
    uri: Uri,
}

/// How the connection to an endpoint is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Plaintext.
    Http,
    /// TLS.
    Https,
}

/// Why a text is not an endpoint. No variant quotes the text: it may come from the wrong key of a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The text is empty or not UTF-8.
    #[error("is empty or not text")]
    NotText,
    /// The text has blanks or control characters.
    #[error("contains a blank or a control character")]
    Blank,
    /// The scheme is neither `http` nor `https`.
    #[error("has an unknown scheme; use http:// or https://")]
    UnknownScheme,
    /// The protocol is HTTP and there is no scheme.
    #[error("has no scheme; the HTTP protocol needs http:// or https:// at the start")]
    MissingScheme,
    /// There is a user or a password in the URL.
    #[error("contains a user or password; use 'authentication.basic' instead")]
    UserInfo,
    /// There is no host, or it is not one.
    #[error("has no valid host")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("has no valid port; a port is a number from 1 to 65535")]
    Port,
    /// The protocol is gRPC and there is no port.
    #[error("has no port; the gRPC protocol needs host:port, for example backend:4317")]
    MissingPort,
    /// The protocol is gRPC and there is a path.
    #[error("has a path; the gRPC protocol needs only host:port")]
    PathWithGrpc,
    /// There is a query or a fragment.
    #[error("has a query ('?') or a fragment ('#'), which requests cannot carry")]
    Query,
    /// The path is not one.
    #[error("has an invalid path: blanks, control characters and backslashes cannot be in it")]
    Path,
}

impl Endpoint {
    /// Parses an endpoint as a spec has it.
    ///
    /// `path` replaces the `/v1/metrics` that is appended for [`Protocol::Http`]; it is not used for gRPC.
    /// `unwritten` is the scheme that a gRPC endpoint without one gets.
    pub fn parse(
        protocol: Protocol,
        text: &str,
        path: Option<&str>,
        unwritten: Scheme,
    ) -> Result<Self, EndpointError> {
        if text.is_empty() {
            return Err(EndpointError::NotText);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(EndpointError::Blank);
        }
        let (scheme, rest) = split_scheme(protocol, text, unwritten)?;
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(EndpointError::UserInfo);
        }
        if tail.contains(['?', '#']) {
            return Err(EndpointError::Query);
        }
        let port = port(protocol, scheme, authority)?;
        let path = full_path(protocol, tail, path)?;
        Self::assemble(scheme, authority, port, &path)
    }

    fn assemble(scheme: Scheme, authority: &str, port: u16, path: &str) -> Result<Self, EndpointError> {
        let url = Url::parse(&format!("{scheme}://{authority}{path}")).map_err(|_| EndpointError::Host)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(EndpointError::Host)?.to_owned();
        let path = if path.is_empty() { String::new() } else { url.path().to_owned() };
        let uri = format!("{scheme}://{host}:{port}{path}").parse().map_err(|_| EndpointError::Host)?;
        Ok(Self { scheme, host, port, path, uri })
    }

    /// How the connection is made.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host: a name in lower case, an IPv4 address, or an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, which is always known.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The whole path of a request; empty for gRPC.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// All of it, the port included.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}{}", self.scheme, self.host, self.port, self.path)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

fn split_scheme(protocol: Protocol, text: &str, unwritten: Scheme) -> Result<(Scheme, &str), EndpointError> {
    match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => Ok((Scheme::Http, rest)),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => Ok((Scheme::Https, rest)),
        Some((scheme, _)) if scheme.contains('@') => Err(EndpointError::UserInfo),
        Some(_) => Err(EndpointError::UnknownScheme),
        None if protocol == Protocol::Http => Err(EndpointError::MissingScheme),
        None => Ok((unwritten, text)),
    }
}

/// The port as written, because a URL parser drops the one that its scheme implies.
fn port(protocol: Protocol, scheme: Scheme, authority: &str) -> Result<u16, EndpointError> {
    let after_address = authority.rfind(']').map_or(authority, |end| &authority[end..]);
    match (after_address.rsplit_once(':'), scheme) {
        (Some((_, digits)), _) => match digits.parse() {
            Ok(port) if port > 0 && digits.bytes().all(|b| b.is_ascii_digit()) => Ok(port),
            _ => Err(EndpointError::Port),
        },
        (None, _) if protocol == Protocol::Grpc => Err(EndpointError::MissingPort),
        (None, Scheme::Http) => Ok(80),
        (None, Scheme::Https) => Ok(443),
    }
}

/// What is wrong with a path by itself.
pub(crate) fn check_path(path: &str) -> Result<(), EndpointError> {
    if path.contains(['?', '#']) {
        return Err(EndpointError::Query);
    }
    if path.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(EndpointError::Path);
    }
    Ok(())
}

fn full_path(protocol: Protocol, tail: &str, path: Option<&str>) -> Result<String, EndpointError> {
    if tail.contains('\\') {
        return Err(EndpointError::Path);
    }
    let base = tail.trim_end_matches('/');
    if protocol == Protocol::Grpc {
        return if base.is_empty() { Ok(String::new()) } else { Err(EndpointError::PathWithGrpc) };
    }
    let path = path.filter(|path| !path.is_empty()).unwrap_or(METRICS_PATH);
    check_path(path)?;
    Ok(format!("{base}/{}", path.strip_prefix('/').unwrap_or(path)))
}

/// Scheme, host and port of a text that may not be an endpoint at all: nothing that could be a credential.
pub(crate) fn safe_to_log(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    match scheme {
        "" => host.to_owned(),
        scheme => format!("{}://{host}", scheme.rsplit('@').next().unwrap_or_default()),
    }
}
