//! The output half of a [`MetricPipelineSpec`](crate::MetricPipelineSpec).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::endpoint;
use crate::value::{Redacted, ValueFromSource, ValueType};

/// Configures the backend to which metrics are sent.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MetricPipelineOutput {
    /// Defines an output using the OpenTelemetry protocol.
    pub otlp: OtlpOutputSpec,
}

/// Defines an output using the OpenTelemetry protocol.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.path) || self.path == '' || (has(self.protocol) && self.protocol == 'http')",
    "message": OtlpOutputSpec::PATH_NEEDS_HTTP,
}]))]
pub struct OtlpOutputSpec {
    /// Defines the OTLP protocol (`http` or `grpc`). The default is `grpc`.
    #[serde(default)]
    pub protocol: Protocol,

    /// Defines the host and port of an OTLP endpoint, as `https://host:port`. For `grpc` the scheme may be left out;
    /// `https` or no scheme is TLS, `http` is plaintext.
    #[schemars(extend("x-kubernetes-validations" = [
        {
            "rule": "!(has(self.value) && self.value != '' && has(self.valueFrom))",
            "message": ValueType::ONLY_ONE,
        },
        {
            "rule": "(has(self.value) && self.value != '') || has(self.valueFrom)",
            "message": OtlpOutputSpec::ENDPOINT_NEEDED,
        },
    ]))]
    pub endpoint: ValueType,

    /// Defines the path that is appended to the endpoint instead of `/v1/metrics`. Only available with the `http` protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub path: Option<String>,

    /// Defines the compression of requests. The default is `gzip`.
    #[serde(default)]
    pub compression: Compression,

    /// Defines headers to add to each request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub headers: Vec<Header>,

    /// Defines authentication options for the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<AuthenticationSpec>,

    /// Defines TLS options for the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSpec>,
}

impl OtlpOutputSpec {
    pub(crate) const ENDPOINT_NEEDED: &'static str = "'endpoint' must have 'value' or 'valueFrom' set";
    pub(crate) const PATH_NEEDS_HTTP: &'static str = "Path is only available with HTTP protocol";
}

impl fmt::Debug for OtlpOutputSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpOutputSpec")
            .field("protocol", &self.protocol)
            .field("endpoint", &self.endpoint.value.as_deref().map(endpoint::safe_to_log))
            .field("endpoint_from", &self.endpoint.value_from)
            .field("path", &self.path)
            .field("compression", &self.compression)
            .field("headers", &self.headers)
            .field("authentication", &self.authentication)
            .field("tls", &self.tls)
            .finish()
    }
}

/// The OTLP protocol.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    /// OTLP over gRPC.
    #[default]
    Grpc,
    /// OTLP over HTTP with protobuf bodies.
    Http,
}

/// The compression of requests.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub enum Compression {
    /// Compressed with gzip.
    #[default]
    Gzip,
    /// Compressed with Zstandard.
    Zstd,
    /// Not compressed.
    None,
}

/// Defines a header to add to each request.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!(has(self.value) && self.value != '' && has(self.valueFrom))",
        "message": ValueType::ONLY_ONE,
    },
    {
        "rule": "(has(self.value) && self.value != '') || has(self.valueFrom)",
        "message": Header::VALUE_NEEDED,
    },
]))]
pub struct Header {
    /// Defines the header name.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,

    /// Defines a text, such as `Bearer`, that is put before the value, separated by a blank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub prefix: Option<String>,

    /// The value as plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub value: Option<String>,

    /// Where to find the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFromSource>,
}

impl Header {
    pub(crate) const VALUE_NEEDED: &'static str = "Header must have 'value' or 'valueFrom' set";

    /// The header's value, without its name and prefix.
    pub fn value_type(&self) -> ValueType {
        ValueType { value: self.value.clone(), value_from: self.value_from.clone() }
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("name", &self.name)
            .field("prefix", &Redacted::of(self.prefix.as_ref()))
            .field("value", &Redacted::of(self.value.as_ref()))
            .field("value_from", &self.value_from)
            .finish()
    }
}

/// Defines authentication options for the output.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationSpec {
    /// Activates basic authentication with a user and a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicAuthentication>,
}

/// Basic authentication with a user and a password.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "has(self.user) && ((has(self.user.value) && self.user.value != '') || has(self.user.valueFrom))",
        "message": BasicAuthentication::USER_NEEDED,
    },
    {
        "rule": "has(self.password) && ((has(self.password.value) && self.password.value != '') || has(self.password.valueFrom))",
        "message": BasicAuthentication::PASSWORD_NEEDED,
    },
]))]
pub struct BasicAuthentication {
    /// Contains the user name or a reference to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<ValueType>,

    /// Contains the password or a reference to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<ValueType>,
}

impl BasicAuthentication {
    pub(crate) const USER_NEEDED: &'static str = "'user' must have 'value' or 'valueFrom' set";
    pub(crate) const PASSWORD_NEEDED: &'static str = "'password' must have 'value' or 'valueFrom' set";
}

/// Defines TLS options for the output.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.cert) == has(self.key)",
    "message": TlsSpec::BOTH_OR_NEITHER,
}]))]
pub struct TlsSpec {
    /// Defines whether to send requests without TLS. The default is `false`.
    #[serde(default)]
    pub insecure: bool,

    /// Defines whether to skip the verification of the backend's certificate. The default is `false`.
    #[serde(default)]
    pub insecure_skip_verify: bool,

    /// Defines the certificates (PEM) of the authorities to trust. If absent, those of the system are trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::pem_value")]
    pub ca: Option<ValueType>,

    /// Defines the client certificate (PEM) for mutual TLS, followed by its intermediates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::pem_value")]
    pub cert: Option<ValueType>,

    /// Defines the private key (PEM) of the client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::pem_value")]
    pub key: Option<ValueType>,
}

impl TlsSpec {
    pub(crate) const BOTH_OR_NEITHER: &'static str = "Can define either both 'cert' and 'key', or neither";
}
