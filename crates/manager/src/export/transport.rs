//! The way to a backend: a connection, and one of two protocols over it.

use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use pipeline_api::output::Protocol;
use pipeline_api::{OtlpOutput, Tls, TlsConfig};

use super::outcome::Outcome;
use super::{grpc, http, tls};

/// How long making a connection may take, TLS excluded.
const CONNECT: Duration = Duration::from_secs(5);

/// What a request says about who sends it. No pod and no version: it may be a label at the backend.
pub(crate) const USER_AGENT: &str = "status-manager";

/// A client for one output.
pub(crate) enum Transport {
    Grpc(grpc::Client),
    Http(http::Client),
}

impl Transport {
    /// A client with connections of its own. Nothing is connected yet.
    pub(crate) fn new(output: &OtlpOutput) -> Result<Self, rustls::Error> {
        Ok(match output.protocol {
            Protocol::Grpc => Self::Grpc(grpc::Client::new(output)?),
            Protocol::Http => Self::Http(http::Client::new(output)?),
        })
    }

    /// Sends one request and waits for the answer.
    pub(crate) async fn send(&self, body: Bytes) -> Outcome {
        match self {
            Self::Grpc(client) => client.send(body).await,
            Self::Http(client) => client.send(body).await,
        }
    }
}

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
