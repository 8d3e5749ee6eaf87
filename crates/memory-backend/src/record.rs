//! What the backend remembers of each request.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderMap;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use tokio::time::Instant;

use crate::point::Point;

/// One request as it arrived, whatever became of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Request {
    /// Position in the order of arrival, from 1.
    pub number: usize,
    /// When the request had been read, on tokio's clock.
    pub arrived: Instant,
    /// When the request had been read, on the wall clock.
    pub arrived_at: SystemTime,
    /// gRPC or plain HTTP.
    pub protocol: Protocol,
    /// The path of the request, `/v1/metrics` for instance.
    pub path: String,
    /// Headers or gRPC metadata; names in lower case, repeated values joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// The compression of the message, by its name in the header: `identity`, `gzip`, `zstd`.
    pub encoding: String,
    /// Bytes of the HTTP body, as they came over the wire.
    pub wire_size: usize,
    /// The protobuf message after decompression; empty if it could not be read.
    pub body: Bytes,
    /// The address the request came from.
    pub peer: SocketAddr,
    /// Which connection carried it, counted from 1; equal numbers mean a connection was used again.
    pub connection: u64,
    /// The subject of the client's certificate under mutual TLS, `CN=manager` for instance.
    pub client_subject: Option<String>,
    /// The decoded message; empty if it could not be read.
    pub message: ExportMetricsServiceRequest,
    /// All points of the message, in its order.
    pub points: Vec<Arc<Point>>,
    /// What the backend did with it.
    pub outcome: Outcome,
}

impl Request {
    /// Bytes of the protobuf message after decompression.
    pub fn uncompressed_size(&self) -> usize {
        self.body.len()
    }

    /// A header or metadata entry by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The points that the backend took: all, none, or under a partial success all but the last ones.
    pub fn taken(&self) -> &[Arc<Point>] {
        let taken = match &self.outcome {
            Outcome::Accepted => self.points.len(),
            Outcome::Partial { rejected } => {
                self.points.len().saturating_sub(usize::try_from(*rejected).unwrap_or(0))
            }
            Outcome::Refused { .. } | Outcome::Lost => 0,
        };
        &self.points[..taken]
    }
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// All points were taken.
    Accepted,
    /// Partial success: the last `rejected` points were not taken.
    Partial {
        /// Number of points refused.
        rejected: i64,
    },
    /// Nothing was taken, and the client was told so.
    Refused {
        /// What the client was told.
        message: String,
    },
    /// Nothing was taken, and the client got no OTLP answer: no answer, garbage, or a closed connection.
    Lost,
}

/// The transport of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP with binary protobuf.
    Http,
}

impl Protocol {
    /// gRPC is told by its content type, as one port serves both.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if content_type.is_some_and(|value| value.starts_with("application/grpc")) {
            Self::Grpc
        } else {
            Self::Http
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        })
    }
}

/// Header names and values as text, repeated ones joined.
pub(crate) fn readable(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut readable: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        readable
            .entry(name.as_str().to_owned())
            .and_modify(|known| {
                known.push_str(", ");
                known.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    readable
}
