//! Connections to backends.

use std::time::Duration;

use http_body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use pipeline_api::{OtlpOutput, Tls, TlsConfig};

use super::tls;

/// How long making a connection may take, TLS excluded.
const CONNECT: Duration = Duration::from_secs(5);

/// What a request says about who sends it. No pod and no version: it may be a label at the backend.
pub(crate) const USER_AGENT: &str = "status-manager";

/// A pool of connections that speak HTTP/2 only, or whatever the backend prefers.
pub(crate) fn client<B>(
    output: &OtlpOutput,
    http2_only: bool,
) -> Result<Client<HttpsConnector<HttpConnector>, B>, rustls::Error>
where
    B: Body + Send,
    B::Data: Send,
{
    let config = match &output.tls {
        Tls::Plaintext => tls::trusting_nobody()?,
        Tls::Tls(config) => tls::client_config(config)?,
    };
    let builder = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http();
    let connector = if http2_only {
        builder.enable_http2().wrap_connector(tcp())
    } else {
        builder.enable_all_versions().wrap_connector(tcp())
    };
    Ok(Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .http2_only(http2_only)
        .build(connector))
}

/// Connects to any HTTP server, and trusts the authorities of the system.
pub(crate) fn connector() -> Result<HttpsConnector<HttpConnector>, rustls::Error> {
    let config = tls::client_config(&TlsConfig::default())?;
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp()))
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    tcp.set_keepalive(Some(Duration::from_mins(1)));
    tcp
}
