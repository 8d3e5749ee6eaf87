//! Messages to send.

use memory_backend::opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use memory_backend::opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value,
};
use memory_backend::opentelemetry_proto::tonic::metrics::v1::metric::Data;
use memory_backend::opentelemetry_proto::tonic::metrics::v1::{
    DataPointFlags, Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, number_data_point,
};
use memory_backend::opentelemetry_proto::tonic::resource::v1::Resource;

pub(crate) const STATE: &str = "kyma.module.status.state";
pub(crate) const CONDITION: &str = "kyma.module.status.condition";

/// A point with this value, or an end marker, at this Unix time in milliseconds.
pub(crate) fn point(attributes: &[(&str, &str)], value: Option<i64>, ms: u64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: pairs(attributes),
        time_unix_nano: ms * 1_000_000,
        flags: if value.is_none() { DataPointFlags::NoRecordedValueMask as u32 } else { 0 },
        value: value.map(number_data_point::Value::AsInt),
        ..NumberDataPoint::default()
    }
}

pub(crate) fn gauge(name: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    Metric {
        name: name.to_owned(),
        description: format!("About {name}."),
        unit: "{module}".to_owned(),
        data: Some(Data::Gauge(Gauge { data_points })),
        ..Metric::default()
    }
}

pub(crate) fn sum(name: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    let sum = Sum { data_points, aggregation_temporality: 2, is_monotonic: true };
    Metric { name: name.to_owned(), data: Some(Data::Sum(sum)), ..Metric::default() }
}

/// A gauge with the state of a module: one value or one end marker.
pub(crate) fn state(name: &str, state: &str, value: Option<i64>, ms: u64) -> Metric {
    gauge(STATE, vec![point(&[("name", name), ("state", state)], value, ms)])
}

pub(crate) fn object(name: &str, metrics: Vec<Metric>) -> ResourceMetrics {
    let scope = InstrumentationScope {
        name: "scope".to_owned(),
        version: "1".to_owned(),
        ..InstrumentationScope::default()
    };
    ResourceMetrics {
        resource: Some(Resource { attributes: pairs(&[("k8s.resource.name", name)]), ..Resource::default() }),
        scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    }
}

/// A message about one object.
pub(crate) fn message(metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest { resource_metrics: vec![object("default", metrics)] }
}

/// The shortest message with a point in it.
pub(crate) fn ready(ms: u64) -> ExportMetricsServiceRequest {
    message(vec![state("nats", "Ready", Some(1), ms)])
}

fn pairs(attributes: &[(&str, &str)]) -> Vec<KeyValue> {
    let pair = |(key, value): &(&str, &str)| KeyValue {
        key: (*key).to_owned(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue((*value).to_owned())) }),
        ..KeyValue::default()
    };
    attributes.iter().map(pair).collect()
}
