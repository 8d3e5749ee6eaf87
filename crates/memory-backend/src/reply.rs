//! Answers, in the terms of both transports.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use prost::Message as _;

use crate::record::Protocol;
use crate::refusal::Refusal;

/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What the client is told.
#[derive(Debug)]
pub(crate) enum Reply {
    Taken,
    Partial { rejected: i64, message: String },
    Refused(Refusal),
    Garbage,
    NotOtlp,
    Trickle(Duration),
}

impl Reply {
    /// The answer as it goes out.
    pub(crate) fn into_response(self, protocol: Protocol) -> Response<Body> {
        match self {
            Self::Taken => success(protocol, &[], None),
            Self::Partial { rejected, message } => {
                let partial =
                    ExportMetricsPartialSuccess { rejected_data_points: rejected, error_message: message };
                let message = ExportMetricsServiceResponse { partial_success: Some(partial) };
                success(protocol, &message.encode_to_vec(), None)
            }
            Self::Refused(refusal) => refused(protocol, &refusal),
            // The tag of a partial success with a length that is longer than what follows.
            Self::Garbage => success(protocol, b"\x0a\xffgarbage", None),
            Self::NotOtlp => respond(StatusCode::OK, "text/html", full(&b"<html>Welcome!</html>"[..])),
            Self::Trickle(pause) => success(protocol, &padding(), Some(pause)),
        }
    }
}

/// An answer of some length that means the same as an empty one: a field that no client knows.
fn padding() -> Vec<u8> {
    let mut message = vec![0x7a, 32];
    message.extend([b'.'; 32]);
    message
}

fn success(protocol: Protocol, message: &[u8], pause: Option<Duration>) -> Response<Body> {
    let (content_type, bytes, trailers) = match protocol {
        Protocol::Http => ("application/x-protobuf", message.to_vec(), None),
        Protocol::Grpc => {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            ("application/grpc", framed(message), Some(trailers))
        }
    };
    let body = match pause {
        Some(pause) => trickling(bytes, trailers, pause),
        None => full(bytes).with_trailers(async { trailers.map(Ok) }).boxed_unsync(),
    };
    respond(StatusCode::OK, content_type, body)
}

/// A gRPC message: not compressed, its length, itself.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut frame = vec![0];
    frame.extend(length.to_be_bytes());
    frame.extend(message);
    frame
}

fn refused(protocol: Protocol, refusal: &Refusal) -> Response<Body> {
    let mut response = match (protocol, refusal.code) {
        (Protocol::Grpc, Some(code)) => {
            let details = refusal.retry_after.map(|_| refusal.rpc_status()).unwrap_or_default();
            tonic::Status::with_details(code, &refusal.message, details).into_http()
        }
        (Protocol::Grpc, None) => {
            respond(refusal.status, "text/plain", full(refusal.message.clone().into_bytes()))
        }
        (Protocol::Http, _) => respond(refusal.status, "application/x-protobuf", full(refusal.rpc_status())),
    };
    let headers = response.headers_mut();
    let bare = protocol == Protocol::Http || refusal.code.is_none();
    if let Some(wait) = refusal.retry_after.filter(|_| bare) {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    for (name, value) in &refusal.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    response
}

fn respond(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

fn trickling(bytes: Vec<u8>, trailers: Option<HeaderMap>, pause: Duration) -> Body {
    let data = bytes.into_iter().map(|byte| Frame::data(Bytes::from(vec![byte])));
    let frames = stream::iter(data.chain(trailers.map(Frame::trailers))).then(move |frame| async move {
        tokio::time::sleep(pause).await;
        Ok(frame)
    });
    StreamBody::new(frames).boxed_unsync()
}
