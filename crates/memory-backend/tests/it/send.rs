//! Clients: tonic for gRPC, hyper for HTTP.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use memory_backend::Backend;
use memory_backend::opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use memory_backend::opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};

/// Longer than any of this takes.
pub(crate) const LONG: Duration = Duration::from_secs(10);

pub(crate) async fn grpc(backend: &Backend) -> MetricsServiceClient<Channel> {
    let endpoint = Endpoint::from_shared(backend.endpoint()).unwrap();
    MetricsServiceClient::new(endpoint.connect().await.unwrap())
}

pub(crate) async fn export(
    backend: &Backend,
    message: ExportMetricsServiceRequest,
) -> Result<ExportMetricsServiceResponse, tonic::Status> {
    grpc(backend).await.export(message).await.map(tonic::Response::into_inner)
}

/// Posts a protobuf body to `/v1/metrics` with these headers besides.
pub(crate) async fn post(
    backend: &Backend,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> hyper::Result<Response<Bytes>> {
    let mut request = Request::post("/v1/metrics").header("content-type", "application/x-protobuf");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(backend, request.body(Full::from(body)).unwrap()).await
}

pub(crate) async fn post_message(
    backend: &Backend,
    message: &ExportMetricsServiceRequest,
) -> hyper::Result<Response<Bytes>> {
    post(backend, &[], message.encode_to_vec()).await
}

pub(crate) async fn send(backend: &Backend, request: Request<Full<Bytes>>) -> hyper::Result<Response<Bytes>> {
    send_over(TcpStream::connect(backend.address()).await.unwrap(), request).await
}

/// One exchange of HTTP/1 over a connection.
pub(crate) async fn send_over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    mut request: Request<Full<Bytes>>,
) -> hyper::Result<Response<Bytes>> {
    request.headers_mut().insert("host", "localhost".parse().unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    connection.abort();
    Ok(Response::from_parts(parts, body))
}
