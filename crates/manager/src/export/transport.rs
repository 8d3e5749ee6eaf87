//! One of two protocols.

use bytes::Bytes;
use pipeline_api::OtlpOutput;
use pipeline_api::output::Protocol;

use super::outcome::Outcome;
use super::{grpc, http};

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
