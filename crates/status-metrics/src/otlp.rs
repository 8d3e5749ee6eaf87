//! OTLP, as bytes that concatenate.
//!
//! A request (`ExportMetricsServiceRequest`) is `repeated ResourceMetrics`, and a `ScopeMetrics` is `repeated Metric`;
//! repeated fields of protobuf messages concatenate. So an object's metrics are encoded once, when it changes, and a
//! request is put together from them: lengths are computed, bytes copied, and the times, which are `fixed64`,
//! overwritten in place. Message definitions: <https://github.com/open-telemetry/opentelemetry-proto>.

use std::collections::HashSet;
use std::sync::LazyLock;

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    DataPointFlags, Gauge, Metric, NumberDataPoint, ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use status_model::ModuleRef;

use crate::family::{
    CLUSTER_NAME, Family, FamilyType, NAMESPACE_NAME, RESOURCE_KIND, RESOURCE_NAME, SCOPE_NAME, SCOPE_VERSION,
};
use crate::origin::Origin;
use crate::sample::{Attribute, Sample, Samples};
use crate::sets::Set;

/// What stands for the time in stored bytes.
const TIME: u64 = 0x1111_1111_1111_1111;
/// A second stand-in, different in every byte, by which the places of the times are found.
const OTHER_TIME: u64 = 0x2222_2222_2222_2222;

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

/// Encoded metrics: any number of `Metric` messages as they stand in a `ScopeMetrics`, all for one moment that is not
/// set yet. Equal samples are equal bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    bytes: Box<[u8]>,
    /// Where each `time_unix_nano` begins, ascending.
    times: Box<[u32]>,
}

impl Metrics {
    /// Encodes samples, one `Metric` a family.
    pub fn new(samples: &Samples) -> Self {
        Self::encode(|time| {
            samples.by_family().map(|(family, samples)| metric(family, samples, time)).collect()
        })
    }

    /// One end marker for each series: a `Metric` of its own with one point that has the flag "no recorded value".
    pub fn markers(&self) -> Vec<SeriesMarker> {
        let series = decode(&self.bytes).into_iter().flat_map(|metric| {
            points(&metric).iter().map(|point| SeriesMarker::new(&metric, point)).collect::<Vec<_>>()
        });
        series.collect()
    }

    /// The series that are here and not in `later`, as markers.
    pub fn ended_in(&self, later: &Self) -> Vec<SeriesMarker> {
        if self == later {
            return Vec::new();
        }
        let living = later.series();
        self.markers().into_iter().filter(|marker| !living.contains(&marker.series)).collect()
    }

    /// What identifies each series.
    pub fn series(&self) -> HashSet<SeriesId> {
        let ids = decode(&self.bytes).into_iter().flat_map(|metric| {
            points(&metric).iter().map(|point| SeriesId::new(&metric, point)).collect::<Vec<_>>()
        });
        ids.collect()
    }

    /// How many points there are.
    pub fn points(&self) -> usize {
        self.times.len()
    }

    /// Whether there is no metric.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn encode(metrics_at: impl Fn(u64) -> Vec<Metric>) -> Self {
        let encoded = |time| ScopeMetrics { metrics: metrics_at(time), ..Default::default() }.encode_to_vec();
        let bytes = encoded(TIME);
        let times = differing_runs(&bytes, &encoded(OTHER_TIME));
        Self { bytes: bytes.into(), times: times.into() }
    }
}

/// The places where each run of eight differing bytes begins.
fn differing_runs(a: &[u8], b: &[u8]) -> Vec<u32> {
    let mut runs = Vec::new();
    let mut at = 0;
    while at < a.len() {
        if a[at] == b[at] {
            at += 1;
        } else {
            runs.push(u32::try_from(at).expect("an object's series are limited to far below 4 GiB"));
            at += size_of::<u64>();
        }
    }
    runs
}

fn decode(bytes: &[u8]) -> Vec<Metric> {
    ScopeMetrics::decode(bytes).expect("the bytes were encoded by Metrics::encode").metrics
}

fn points(metric: &Metric) -> &[NumberDataPoint] {
    match &metric.data {
        Some(metric::Data::Gauge(gauge)) => &gauge.data_points,
        Some(metric::Data::Sum(sum)) => &sum.data_points,
        _ => &[],
    }
}

/// What identifies a series: the metric's name and the encoded attributes of its points.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SeriesId {
    metric: String,
    attributes: Vec<u8>,
}

impl SeriesId {
    fn new(metric: &Metric, point: &NumberDataPoint) -> Self {
        let attributes = NumberDataPoint { attributes: point.attributes.clone(), ..Default::default() };
        Self { metric: metric.name.clone(), attributes: attributes.encode_to_vec() }
    }
}

/// The end of one series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesMarker {
    series: SeriesId,
    metrics: Metrics,
}

impl SeriesMarker {
    fn new(metric: &Metric, point: &NumberDataPoint) -> Self {
        let marker_at = |time| {
            let point = NumberDataPoint {
                attributes: point.attributes.clone(),
                time_unix_nano: time,
                flags: DataPointFlags::NoRecordedValueMask as u32,
                ..Default::default()
            };
            vec![with_points(metric, vec![point])]
        };
        Self { series: SeriesId::new(metric, point), metrics: Metrics::encode(marker_at) }
    }

    /// Which series it is.
    pub fn series(&self) -> &SeriesId {
        &self.series
    }

    /// The marker as a metric with one point.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

/// The same metric with other points. Its own are not copied: that would be quadratic for the markers of an object.
fn with_points(metric: &Metric, data_points: Vec<NumberDataPoint>) -> Metric {
    let data = match &metric.data {
        Some(metric::Data::Sum(sum)) => metric::Data::Sum(Sum {
            data_points,
            aggregation_temporality: sum.aggregation_temporality,
            is_monotonic: sum.is_monotonic,
        }),
        _ => metric::Data::Gauge(Gauge { data_points }),
    };
    Metric {
        name: metric.name.clone(),
        description: metric.description.clone(),
        unit: metric.unit.clone(),
        metadata: metric.metadata.clone(),
        data: Some(data),
    }
}

fn metric(family: &Family, samples: &[Sample], time: u64) -> Metric {
    let data_points = samples.iter().map(|sample| point(sample, time)).collect();
    Metric {
        name: family.name.into(),
        description: family.help.into(),
        unit: family.unit.into(),
        data: Some(match family.type_ {
            FamilyType::Gauge => metric::Data::Gauge(Gauge { data_points }),
        }),
        ..Default::default()
    }
}

fn point(sample: &Sample, time: u64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(&sample.attributes),
        time_unix_nano: time,
        value: Some(number_data_point::Value::AsInt(sample.value)),
        ..Default::default()
    }
}

fn attributes(attributes: &[Attribute]) -> Vec<KeyValue> {
    let attribute = |(key, value): &Attribute| KeyValue {
        key: (*key).into(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.clone())) }),
        ..Default::default()
    };
    attributes.iter().map(attribute).collect()
}

/// One object in OTLP: its resource, and its metrics by set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    resource: Box<[u8]>,
    sets: Box<[(Set, Metrics)]>,
}

impl Frame {
    /// Encodes an object. A set without samples leaves no trace.
    pub fn new(origin: &Origin, object: &ModuleRef, sets: &[(Set, Samples)]) -> Self {
        let sets = sets.iter().filter(|(_, samples)| !samples.is_empty());
        Self {
            resource: resource(origin, object).encode_to_vec().into(),
            sets: sets.map(|(set, samples)| (*set, Metrics::new(samples))).collect(),
        }
    }

    /// The encoded `Resource`.
    pub fn resource(&self) -> &[u8] {
        &self.resource
    }

    /// The metrics by set.
    pub fn sets(&self) -> impl Iterator<Item = (Set, &Metrics)> {
        self.sets.iter().map(|(set, metrics)| (*set, metrics))
    }

    /// The metrics of one set.
    pub fn set(&self, set: Set) -> Option<&Metrics> {
        self.sets().find(|(own, _)| *own == set).map(|(_, metrics)| metrics)
    }
}

fn resource(origin: &Origin, object: &ModuleRef) -> Resource {
    let optional = [
        ("k8s.cluster.uid", &origin.cluster_uid),
        (CLUSTER_NAME, &origin.cluster_name),
        (NAMESPACE_NAME, &object.namespace),
    ];
    let required = [
        ("k8s.resource.group", &object.group),
        ("k8s.resource.version", &object.version),
        (RESOURCE_KIND, &object.plural),
        (RESOURCE_NAME, &object.name),
    ];
    let optional = optional.into_iter().filter_map(|(key, value)| Some((key, value.clone()?)));
    let mut all: Vec<_> =
        required.map(|(key, value)| (key, value.clone())).into_iter().chain(optional).collect();
    all.sort_unstable();
    Resource { attributes: attributes(&all), ..Default::default() }
}

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
