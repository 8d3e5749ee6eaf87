//! From the bytes of a request to its message.

use std::io::{self, Read as _};

use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;
use tonic::Code;

use crate::record::Protocol;
use crate::refusal::Refusal;

/// The path of the gRPC method.
const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// The body of a request as it came over the wire.
pub(crate) struct Wire {
    /// The first bytes, up to a little over the limit of a message.
    data: Vec<u8>,
    /// All bytes.
    pub(crate) size: usize,
    /// Whether the client sent the end of it.
    pub(crate) complete: bool,
}

impl Wire {
    /// Reads a body to its end, but keeps no more of it than a message may have: a client that still writes
    /// would otherwise see a broken connection rather than the refusal.
    pub(crate) async fn read(body: &mut Incoming, limit: usize) -> Self {
        let mut wire = Self { data: Vec::new(), size: 0, complete: false };
        loop {
            match body.frame().await {
                None => return Self { complete: true, ..wire },
                Some(Err(_)) => return wire,
                Some(Ok(frame)) => wire.push(frame.data_ref().map_or(&[][..], |data| data), limit),
            }
        }
    }

    /// Reads no more than the first piece of a body.
    pub(crate) async fn read_first(body: &mut Incoming) -> Self {
        let mut wire = Self { data: Vec::new(), size: 0, complete: false };
        if let Some(Ok(frame)) = body.frame().await {
            wire.push(frame.data_ref().map_or(&[][..], |data| data), 0);
        }
        wire
    }

    fn push(&mut self, data: &[u8], limit: usize) {
        self.size += data.len();
        if self.data.len() <= limit + FRAME_HEADER {
            self.data.extend_from_slice(data);
        }
    }
}

/// Bytes before a gRPC message: one for compression, four for the length.
const FRAME_HEADER: usize = 5;

/// Checks that a request is for this service.
pub(crate) fn route(protocol: Protocol, parts: &Parts, paths: &[String]) -> Result<(), Refusal> {
    let path = parts.uri.path();
    if protocol == Protocol::Grpc {
        return if path == EXPORT {
            Ok(())
        } else {
            Err(Refusal::grpc(Code::Unimplemented, format!("unknown method {path}")))
        };
    }
    if !paths.iter().any(|known| known == path) {
        return Err(Refusal::new(Code::NotFound, StatusCode::NOT_FOUND, format!("no such path: {path}")));
    }
    if parts.method != http::Method::POST {
        let message = format!("method {} not allowed", parts.method);
        return Err(Refusal::new(Code::Unimplemented, StatusCode::METHOD_NOT_ALLOWED, message));
    }
    let content_type = header(parts, "content-type").unwrap_or("");
    if content_type.split(';').next().map(str::trim) != Some("application/x-protobuf") {
        let message = format!("unsupported content type {content_type:?}");
        return Err(Refusal::new(Code::InvalidArgument, StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    Ok(())
}

/// The compression that the headers name.
pub(crate) fn encoding(protocol: Protocol, parts: &Parts) -> &str {
    let name = match protocol {
        Protocol::Grpc => "grpc-encoding",
        Protocol::Http => "content-encoding",
    };
    header(parts, name).unwrap_or("identity")
}

/// Takes the message out of a body: frame, compression, protobuf.
pub(crate) fn open(
    protocol: Protocol,
    encoding: &str,
    wire: &Wire,
    limit: usize,
) -> Result<(Bytes, ExportMetricsServiceRequest), Refusal> {
    let bytes = match protocol {
        Protocol::Grpc => unframe(encoding, wire, limit)?,
        Protocol::Http => expand(encoding, &wire.data, limit)?,
    };
    let message = ExportMetricsServiceRequest::decode(&bytes[..]).map_err(|error| {
        Refusal::new(
            Code::InvalidArgument,
            StatusCode::BAD_REQUEST,
            format!("the message is not OTLP: {error}"),
        )
    })?;
    Ok((bytes.into(), message))
}

fn unframe(encoding: &str, wire: &Wire, limit: usize) -> Result<Vec<u8>, Refusal> {
    let broken = || Refusal::grpc(Code::Internal, "the body is not one gRPC message");
    let (header, data) = wire.data.split_first_chunk::<FRAME_HEADER>().ok_or_else(broken)?;
    let [compressed, length @ ..] = *header;
    let length = u32::from_be_bytes(length) as usize;
    if length > limit {
        return Err(too_large(limit));
    }
    if data.len() != length {
        return Err(broken());
    }
    expand(if compressed == 0 { "identity" } else { encoding }, data, limit)
}

/// Takes the compression away.
fn expand(encoding: &str, data: &[u8], limit: usize) -> Result<Vec<u8>, Refusal> {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut expanded = Vec::new();
    let read: io::Result<usize> = match encoding {
        "identity" => data.take(most).read_to_end(&mut expanded),
        "gzip" => flate2::read::MultiGzDecoder::new(data).take(most).read_to_end(&mut expanded),
        "zstd" => zstd::stream::read::Decoder::new(data)
            .and_then(|decoder| decoder.take(most).read_to_end(&mut expanded)),
        other => {
            let message = format!("unsupported encoding {other:?}; gzip and zstd are known");
            return Err(Refusal::new(Code::Unimplemented, StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
    };
    if expanded.len() > limit {
        return Err(too_large(limit));
    }
    read.map_err(|error| {
        let message = format!("the body is not {encoding}: {error}");
        Refusal::new(Code::InvalidArgument, StatusCode::BAD_REQUEST, message)
    })?;
    Ok(expanded)
}

fn too_large(limit: usize) -> Refusal {
    let message = format!("the message is larger than {limit} bytes");
    Refusal::new(Code::ResourceExhausted, StatusCode::PAYLOAD_TOO_LARGE, message)
}

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name).and_then(|value| value.to_str().ok())
}
