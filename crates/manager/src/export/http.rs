//! OTLP over HTTP with protobuf bodies.

use std::io::{self, Write};

use ::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use pipeline_api::OtlpOutput;
use pipeline_api::output::Compression;
use prost::Message;

use super::connect::{USER_AGENT, client};
use super::outcome::Outcome;
use crate::causes::chain;
use crate::clock;

const PROTOBUF: &str = "application/x-protobuf";
/// More of an answer is not read.
const ANSWER_LIMIT: usize = 1024 * 1024;
/// More of a refusal is not quoted.
const QUOTE: usize = 300;

/// A client of one backend.
pub(crate) struct Client {
    connections: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: ::http::Uri,
    headers: HeaderMap,
    compression: Compression,
}

impl Client {
    pub(crate) fn new(output: &OtlpOutput) -> Result<Self, rustls::Error> {
        let mut headers = output.header_map();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROTOBUF));
        headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
        let encoding = match output.compression {
            Compression::Gzip => Some("gzip"),
            Compression::Zstd => Some("zstd"),
            Compression::None => None,
        };
        if let Some(encoding) = encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        let uri = output.endpoint.uri().clone();
        Ok(Self { connections: client(output, false)?, uri, headers, compression: output.compression })
    }

    pub(crate) async fn send(&self, body: Bytes) -> Outcome {
        let body = match compressed(self.compression, body) {
            Ok(body) => body,
            Err(error) => return Outcome::unanswered(format!("compressing the request: {error}")),
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        match self.connections.request(request).await {
            Ok(response) => judge(response).await,
            Err(error) => Outcome::unanswered(chain(&error)),
        }
    }
}

fn compressed(compression: Compression, body: Bytes) -> io::Result<Bytes> {
    match compression {
        Compression::None => Ok(body),
        Compression::Gzip => {
            let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(&body)?;
            gzip.finish().map(Bytes::from)
        }
        Compression::Zstd => zstd::encode_all(&body[..], zstd::DEFAULT_COMPRESSION_LEVEL).map(Bytes::from),
    }
}

async fn judge<B>(response: Response<B>) -> Outcome
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = response.into_parts();
    let read = Limited::new(body, ANSWER_LIMIT).collect().await;
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match (head.status.is_success(), read) {
        (true, Ok(body)) => accepted(content_type, &body.to_bytes()),
        (true, Err(error)) => Outcome::unanswered(format!("the answer breaks off: {error}")),
        (false, body) => {
            let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            Outcome::of_http(
                head.status,
                &head.headers,
                &said(head.status, content_type, &body),
                clock::now(),
            )
        }
    }
}

/// An answer without content type, or in JSON, is taken for what its status says.
fn accepted(content_type: &str, body: &Bytes) -> Outcome {
    match content_type {
        PROTOBUF => match ExportMetricsServiceResponse::decode(body.clone()) {
            Ok(response) => Outcome::of_response(&response),
            Err(error) => Outcome::unanswered(format!("the answer is not OTLP: {error}")),
        },
        other if other.starts_with("text/html") => Outcome::unanswered(
            "the answer is a web page and not OTLP; endpoint and path may belong to something else",
        ),
        _ => Outcome::Accepted,
    }
}

/// What a refusal says in words.
fn said(status: StatusCode, content_type: &str, body: &Bytes) -> String {
    let text = if content_type == PROTOBUF {
        // The body is a google.rpc.Status.
        tonic_types::Status::decode(body.clone()).map(|status| status.message).unwrap_or_default()
    } else if content_type.starts_with("text/html") {
        String::new()
    } else {
        String::from_utf8_lossy(body).into_owned()
    };
    let text = text.trim();
    let text = &text[..text.floor_char_boundary(QUOTE)];
    if Some(text) == status.canonical_reason() { String::new() } else { text.to_owned() }
}
