//! A request that is refused, in the terms of both transports.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use prost::Message;
use tonic::Code;

/// How a request is refused: a status, a message, and when to come again.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Refusal {
    pub(crate) status: StatusCode,
    /// `None`: also a gRPC client gets nothing but the HTTP status.
    pub(crate) code: Option<Code>,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Refusal {
    pub(crate) fn http(status: StatusCode, message: impl Into<String>) -> Self {
        Self { code: None, ..Self::new(Code::Unknown, status, message) }
    }

    pub(crate) fn grpc(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, http_status(code), message)
    }

    pub(crate) fn new(code: Code, status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, code: Some(code), message: message.into(), retry_after: None, headers: Vec::new() }
    }

    /// Asks the client to wait: the header `Retry-After` in whole seconds, or a `RetryInfo` detail.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Adds a header to the answer, a `retry-after` with a date for instance. Left out if it is not valid.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The message to the client.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The refusal as a `google.rpc.Status`: the body of an HTTP answer, the details of a gRPC one.
    pub(crate) fn rpc_status(&self) -> Bytes {
        let details = self.retry_after.map(RetryInfo::after).into_iter().collect();
        let code = self.code.unwrap_or(Code::Unknown) as i32;
        RpcStatus { code, message: self.message.clone(), details }.encode_to_vec().into()
    }
}

/// The HTTP status that stands for a gRPC code, as in the table of `google.rpc.Code`.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Cancelled | Code::Unknown | Code::Internal | Code::DataLoss => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, prost::Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl RetryInfo {
    fn after(wait: Duration) -> Any {
        let seconds = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
        let nanos = i32::try_from(wait.subsec_nanos()).unwrap_or(0);
        let info = Self { retry_delay: Some(Delay { seconds, nanos }) };
        Any { type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(), value: info.encode_to_vec() }
    }
}
