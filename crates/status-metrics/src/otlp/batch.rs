//! A request.

use std::sync::LazyLock;

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::metrics::Metrics;
use crate::family::{SCOPE_NAME, SCOPE_VERSION};

const RESOURCE_METRICS: u32 = 1; // in ExportMetricsServiceRequest
const RESOURCE: u32 = 1; // in ResourceMetrics
const SCOPE_METRICS: u32 = 2; // in ResourceMetrics
const SCOPE: u32 = 1; // in ScopeMetrics

/// The field `scope` of every `ScopeMetrics`.
static SCOPE_FIELD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let scope =
        InstrumentationScope { name: SCOPE_NAME.into(), version: SCOPE_VERSION.into(), ..Default::default() };
    let mut bytes = Vec::new();
    write_field(&mut bytes, SCOPE, &scope.encode_to_vec());
    bytes
});

/// Metrics and the moment that they are for.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The metrics.
    pub metrics: &'a Metrics,
    /// Milliseconds since 1970.
    pub time_ms: u64,
}

/// A request that is being put together: the bytes of an `ExportMetricsServiceRequest`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    bytes: Vec<u8>,
    points: usize,
}

impl Batch {
    /// Appends one object's metrics as one `ResourceMetrics`, in the order given: metrics with values first, end
    /// markers behind them. Nothing is appended if no part has a metric.
    pub fn push(&mut self, resource: &[u8], parts: &[Part<'_>]) {
        let len = Self::len_with(resource, parts);
        if len == 0 {
            return;
        }
        self.bytes.reserve(len);
        let scope_metrics_len = scope_metrics_len(parts);
        write_header(&mut self.bytes, RESOURCE_METRICS, resource_metrics_len(resource, scope_metrics_len));
        write_field(&mut self.bytes, RESOURCE, resource);
        write_header(&mut self.bytes, SCOPE_METRICS, scope_metrics_len);
        self.bytes.extend_from_slice(&SCOPE_FIELD);
        for part in parts {
            self.push_part(part);
        }
    }

    fn push_part(&mut self, part: &Part<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&part.metrics.bytes);
        let time = part.time_ms.saturating_mul(1_000_000).to_le_bytes();
        for offset in &part.metrics.times {
            let at = start + *offset as usize;
            self.bytes[at..at + time.len()].copy_from_slice(&time);
        }
        self.points += part.metrics.points();
    }

    /// By how many bytes [`Batch::push`] would make a request longer.
    pub fn len_with(resource: &[u8], parts: &[Part<'_>]) -> usize {
        if parts.iter().all(|part| part.metrics.is_empty()) {
            return 0;
        }
        field_len(RESOURCE_METRICS, resource_metrics_len(resource, scope_metrics_len(parts)))
    }

    /// How many points there are, end markers included.
    pub fn points(&self) -> usize {
        self.points
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The encoded request.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn scope_metrics_len(parts: &[Part<'_>]) -> usize {
    SCOPE_FIELD.len() + parts.iter().map(|part| part.metrics.bytes.len()).sum::<usize>()
}

fn resource_metrics_len(resource: &[u8], scope_metrics_len: usize) -> usize {
    field_len(RESOURCE, resource.len()) + field_len(SCOPE_METRICS, scope_metrics_len)
}

fn field_len(tag: u32, len: usize) -> usize {
    key_len(tag) + encoded_len_varint(len as u64) + len
}

fn write_field(out: &mut Vec<u8>, tag: u32, bytes: &[u8]) {
    write_header(out, tag, bytes.len());
    out.extend_from_slice(bytes);
}

fn write_header(out: &mut Vec<u8>, tag: u32, len: usize) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(len as u64, out);
}
