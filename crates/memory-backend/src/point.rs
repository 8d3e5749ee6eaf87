//! Data points, flattened out of the OTLP message.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    DataPointFlags, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, ScopeMetrics,
    SummaryDataPoint, number_data_point,
};

/// Attributes with their values as text.
pub type Attributes = BTreeMap<String, String>;

/// One data point and everything said above it in the message.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Point {
    /// The attributes of the resource.
    pub resource: Arc<Attributes>,
    /// The instrumentation scope.
    pub scope: Arc<Scope>,
    /// The name of the metric.
    pub name: String,
    /// The unit of the metric.
    pub unit: String,
    /// The description of the metric.
    pub description: String,
    /// The kind of the metric.
    pub kind: Kind,
    /// The attributes of the point itself.
    pub attributes: Attributes,
    /// When the sum began, Unix time in nanoseconds; 0 if unknown.
    pub start_time_unix_nano: u64,
    /// Unix time in nanoseconds.
    pub time_unix_nano: u64,
    /// The value; `None` is an end marker (the flag "no recorded value") or a point without a value.
    pub value: Option<Value>,
    /// Whether the flag "no recorded value" is set: the series ends here.
    pub ended: bool,
}

impl Point {
    /// Unix time in milliseconds, the resolution of Prometheus.
    pub fn time_unix_ms(&self) -> u64 {
        self.time_unix_nano / 1_000_000
    }

    /// An attribute of the point.
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes.get(key).map(String::as_str)
    }

    /// Whether the point belongs to a monotonic sum.
    pub fn is_monotonic_sum(&self) -> bool {
        matches!(self.kind, Kind::Sum { monotonic: true, .. })
    }
}

/// An instrumentation scope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A gauge.
    Gauge,
    /// A sum.
    Sum {
        /// Whether it never falls.
        monotonic: bool,
        /// Whether values are totals since the start time (cumulative) rather than differences.
        cumulative: bool,
    },
    /// A histogram, an exponential histogram or a summary.
    Distribution,
}

/// The value of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// Of a distribution only count and sum are kept.
    Distribution {
        /// Number of observations.
        count: u64,
        /// Their sum.
        sum: f64,
    },
}

impl PartialEq<i64> for Value {
    fn eq(&self, other: &i64) -> bool {
        matches!(self, Self::Int(value) if value == other)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value}"),
            Self::Distribution { count, sum } => write!(f, "count={count} sum={sum}"),
        }
    }
}

/// All points of a message, in its order.
pub(crate) fn flatten(message: &ExportMetricsServiceRequest) -> Vec<Arc<Point>> {
    let mut points = Vec::new();
    for of_resource in &message.resource_metrics {
        let attributes = of_resource.resource.as_ref().map(|resource| attributes(&resource.attributes));
        let resource = Arc::new(attributes.unwrap_or_default());
        for of_scope in &of_resource.scope_metrics {
            let scope = Arc::new(scope(of_scope));
            for metric in &of_scope.metrics {
                for measured in &Measured::all(metric) {
                    points.push(Arc::new(point(&resource, &scope, metric, measured)));
                }
            }
        }
    }
    points
}

/// The kind of a metric's data; a metric without any counts as a gauge without points.
fn kind(metric: &Metric) -> Kind {
    match &metric.data {
        Some(Data::Sum(sum)) => {
            Kind::Sum { monotonic: sum.is_monotonic, cumulative: sum.aggregation_temporality == 2 }
        }
        Some(Data::Histogram(_) | Data::ExponentialHistogram(_) | Data::Summary(_)) => Kind::Distribution,
        Some(Data::Gauge(_)) | None => Kind::Gauge,
    }
}

fn point(resource: &Arc<Attributes>, scope: &Arc<Scope>, metric: &Metric, measured: &Measured<'_>) -> Point {
    Point {
        resource: Arc::clone(resource),
        scope: Arc::clone(scope),
        name: metric.name.clone(),
        unit: metric.unit.clone(),
        description: metric.description.clone(),
        kind: kind(metric),
        attributes: attributes(measured.attributes),
        start_time_unix_nano: measured.start,
        time_unix_nano: measured.time,
        value: if measured.ended { None } else { measured.value },
        ended: measured.ended,
    }
}

/// What the five kinds of data points have in common.
pub(crate) struct Measured<'a> {
    attributes: &'a [KeyValue],
    start: u64,
    time: u64,
    value: Option<Value>,
    pub(crate) ended: bool,
}

impl<'a> Measured<'a> {
    /// The points of a metric, in order.
    pub(crate) fn all(metric: &'a Metric) -> Vec<Self> {
        match &metric.data {
            None => Vec::new(),
            Some(Data::Gauge(gauge)) => gauge.data_points.iter().map(Self::number).collect(),
            Some(Data::Sum(sum)) => sum.data_points.iter().map(Self::number).collect(),
            Some(Data::Histogram(it)) => it.data_points.iter().map(Self::histogram).collect(),
            Some(Data::ExponentialHistogram(it)) => it.data_points.iter().map(Self::exponential).collect(),
            Some(Data::Summary(it)) => it.data_points.iter().map(Self::summary).collect(),
        }
    }

    fn histogram(it: &'a HistogramDataPoint) -> Self {
        let value = Value::Distribution { count: it.count, sum: it.sum.unwrap_or(0.0) };
        Self::new(&it.attributes, (it.start_time_unix_nano, it.time_unix_nano), it.flags, Some(value))
    }

    fn exponential(it: &'a ExponentialHistogramDataPoint) -> Self {
        let value = Value::Distribution { count: it.count, sum: it.sum.unwrap_or(0.0) };
        Self::new(&it.attributes, (it.start_time_unix_nano, it.time_unix_nano), it.flags, Some(value))
    }

    fn summary(it: &'a SummaryDataPoint) -> Self {
        let value = Value::Distribution { count: it.count, sum: it.sum };
        Self::new(&it.attributes, (it.start_time_unix_nano, it.time_unix_nano), it.flags, Some(value))
    }

    fn number(it: &'a NumberDataPoint) -> Self {
        let value = it.value.map(|value| match value {
            number_data_point::Value::AsInt(value) => Value::Int(value),
            number_data_point::Value::AsDouble(value) => Value::Double(value),
        });
        Self::new(&it.attributes, (it.start_time_unix_nano, it.time_unix_nano), it.flags, value)
    }

    fn new(attributes: &'a [KeyValue], (start, time): (u64, u64), flags: u32, value: Option<Value>) -> Self {
        let ended = flags & DataPointFlags::NoRecordedValueMask as u32 != 0;
        Self { attributes, start, time, value, ended }
    }
}

fn scope(of_scope: &ScopeMetrics) -> Scope {
    of_scope.scope.as_ref().map_or_else(Scope::default, |scope| Scope {
        name: scope.name.clone(),
        version: scope.version.clone(),
    })
}

fn attributes(pairs: &[KeyValue]) -> Attributes {
    pairs.iter().map(|pair| (pair.key.clone(), pair.value.as_ref().map(text).unwrap_or_default())).collect()
}

/// An attribute's value as text; lists and maps in the form of Rust's debug output.
fn text(value: &AnyValue) -> String {
    use any_value::Value as V;
    match &value.value {
        None => String::new(),
        Some(V::StringValue(value)) => value.clone(),
        Some(V::BoolValue(value)) => value.to_string(),
        Some(V::IntValue(value)) => value.to_string(),
        Some(V::DoubleValue(value)) => value.to_string(),
        Some(V::ArrayValue(list)) => format!("{:?}", list.values.iter().map(text).collect::<Vec<_>>()),
        Some(V::KvlistValue(list)) => format!("{:?}", attributes(&list.values)),
        Some(other) => format!("{other:?}"),
    }
}
