//! OTLP over gRPC.

use std::error::Error;
use std::task::Poll;

use ::http::uri::PathAndQuery;
use ::http::{HeaderMap, StatusCode, header};
use bytes::{Buf, BufMut, Bytes};
use futures::future::BoxFuture;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use pipeline_api::OtlpOutput;
use pipeline_api::output::Compression;
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use super::connect::{USER_AGENT, client};
use super::outcome::Outcome;
use crate::causes::chain;
use crate::clock;

const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// A client of one backend.
pub(crate) struct Client {
    grpc: Grpc<Checked>,
    metadata: MetadataMap,
}

impl Client {
    pub(crate) fn new(output: &OtlpOutput) -> Result<Self, rustls::Error> {
        let mut grpc = Grpc::with_origin(Checked(client(output, true)?), output.endpoint.uri().clone());
        grpc = match output.compression {
            Compression::Gzip => grpc.send_compressed(CompressionEncoding::Gzip),
            Compression::Zstd => grpc.send_compressed(CompressionEncoding::Zstd),
            Compression::None => grpc,
        };
        let grpc =
            grpc.accept_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Zstd);
        let mut headers = output.header_map();
        headers.entry(::http::header::USER_AGENT).or_insert(::http::HeaderValue::from_static(USER_AGENT));
        Ok(Self { grpc, metadata: MetadataMap::from_headers(headers) })
    }

    pub(crate) async fn send(&self, body: Bytes) -> Outcome {
        let mut grpc = self.grpc.clone();
        if let Err(error) = grpc.ready().await {
            return Outcome::unanswered(chain(&*error));
        }
        let mut request = Request::new(body);
        *request.metadata_mut() = self.metadata.clone();
        match grpc.unary(request, PathAndQuery::from_static(EXPORT), BytesCodec).await {
            Ok(response) => Outcome::of_response(response.get_ref()),
            Err(status) => of_error(&status),
        }
    }
}

/// A status that was made from an error of the connection says nothing about the request; an HTTP status that is not a success
/// does, also without gRPC.
fn of_error(status: &Status) -> Outcome {
    let Some(error) = Error::source(status) else { return Outcome::of_status(status) };
    match error.downcast_ref::<NotGrpc>() {
        Some(answer) if !answer.status.is_success() => {
            Outcome::of_http(answer.status, &answer.headers, "", clock::now())
        }
        _ => Outcome::unanswered(chain(error)),
    }
}

/// Refuses answers that are not gRPC, such as the web page of a proxy: they say nothing about the request.
#[derive(Clone)]
struct Checked(legacy::Client<HttpsConnector<HttpConnector>, tonic::body::Body>);

/// An answer that is not gRPC, as from a proxy in between.
#[derive(Debug, thiserror::Error)]
#[error("the answer is not gRPC (content type '{content_type}'); the endpoint may belong to something else")]
struct NotGrpc {
    content_type: String,
    status: StatusCode,
    headers: HeaderMap,
}

impl tower::Service<::http::Request<tonic::body::Body>> for Checked {
    type Response = ::http::Response<Incoming>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut std::task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: ::http::Request<tonic::body::Body>) -> Self::Future {
        let response = self.0.call(request);
        Box::pin(async move {
            let response = response.await?;
            let content_type = response.headers().get(header::CONTENT_TYPE);
            let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
            if content_type.starts_with("application/grpc") {
                return Ok(response);
            }
            let (content_type, status) = (content_type.to_owned(), response.status());
            Err(NotGrpc { content_type, status, headers: response.into_parts().0.headers }.into())
        })
    }
}

/// Passes an encoded request through, and reads the answer.
#[derive(Debug, Clone, Copy, Default)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = ExportMetricsServiceResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, body: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(body.len());
        out.put(body);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = ExportMetricsServiceResponse;
    type Error = Status;

    fn decode(&mut self, body: &mut DecodeBuf<'_>) -> Result<Option<ExportMetricsServiceResponse>, Status> {
        let body = body.copy_to_bytes(body.remaining());
        // Whether the backend took the request is unknown; it takes the same one again.
        ExportMetricsServiceResponse::decode(body)
            .map(Some)
            .map_err(|error| Status::unavailable(format!("the answer is not OTLP: {error}")))
    }
}
