//! What a status is in OTLP, written down from the description of the metric sets with plain messages: a second opinion
//! on the tables, the translation and the encoder.

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use status_metrics::{Origin, Set};
use status_model::{Condition, ConditionStatus, ModuleRef, ModuleStatus, State};

/// One object as a whole. Each set has its own time.
pub(crate) fn resource_metrics(
    origin: &Origin,
    object: &ModuleRef,
    status: &ModuleStatus,
    sets: &[(Set, u64)],
) -> Option<ResourceMetrics> {
    let metrics: Vec<_> =
        sets.iter().flat_map(|(set, time_ms)| metrics(*set, origin, object, status, *time_ms)).collect();
    let scope = InstrumentationScope {
        name: "io.kyma-project.telemetry/kyma".to_owned(),
        version: "1".to_owned(),
        ..Default::default()
    };
    (!metrics.is_empty()).then(|| ResourceMetrics {
        resource: Some(resource(origin, object)),
        scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, ..Default::default() }],
        ..Default::default()
    })
}

fn resource(origin: &Origin, object: &ModuleRef) -> Resource {
    let attributes = attributes(&[
        ("k8s.cluster.name", origin.cluster_name.as_deref()),
        ("k8s.cluster.uid", origin.cluster_uid.as_deref()),
        ("k8s.namespace.name", object.namespace.as_deref()),
        ("k8s.resource.group", Some(&object.group)),
        ("k8s.resource.kind", Some(&object.plural)),
        ("k8s.resource.name", Some(&object.name)),
        ("k8s.resource.version", Some(&object.version)),
    ]);
    Resource { attributes, ..Default::default() }
}

fn metrics(
    set: Set,
    origin: &Origin,
    object: &ModuleRef,
    status: &ModuleStatus,
    time_ms: u64,
) -> Vec<Metric> {
    let at = time_ms * 1_000_000;
    let (state, conditions) = (status.state.iter(), status.conditions.iter());
    let metrics = match set {
        Set::Module => [
            metric(
                ("kyma.module.status.state", "{module}", "State of a module: 1 if it is Ready, else 0"),
                state.map(|state| module_state(origin, object, state, at)).collect(),
            ),
            metric(
                (
                    "kyma.module.status.condition",
                    "{condition}",
                    "Condition of a module: 1 if its status is True, else 0",
                ),
                conditions.map(|condition| module_condition(origin, object, condition, at)).collect(),
            ),
        ],
        Set::Resource => [
            metric(
                ("kyma.resource.status.state", "1", "State of a resource; always 1"),
                state.map(|state| resource_state(origin, object, state, at)).collect(),
            ),
            metric(
                (
                    "kyma.resource.status.conditions",
                    "1",
                    "Condition of a resource: 1 if its status is True, 0 if False, else -1",
                ),
                conditions.map(|condition| resource_condition(origin, object, condition, at)).collect(),
            ),
        ],
        other => panic!("the set {other} is not described here"),
    };
    metrics.into_iter().flatten().collect()
}

fn module_state(origin: &Origin, object: &ModuleRef, state: &State, at: u64) -> NumberDataPoint {
    let attributes = [
        ("k8s.cluster.name", origin.cluster_name.as_deref()),
        ("k8s.namespace.name", object.namespace.as_deref()),
        ("k8s.resource.kind", Some(&object.plural)),
        ("k8s.resource.name", Some(&object.name)),
        ("name", Some(&object.module)),
        ("state", Some(state.as_str())),
    ];
    point(&attributes, i64::from(state.as_str() == "Ready"), at)
}

fn module_condition(origin: &Origin, object: &ModuleRef, condition: &Condition, at: u64) -> NumberDataPoint {
    let attributes = [
        ("k8s.cluster.name", origin.cluster_name.as_deref()),
        ("k8s.namespace.name", object.namespace.as_deref()),
        ("k8s.resource.kind", Some(&object.plural)),
        ("k8s.resource.name", Some(&object.name)),
        ("name", Some(&object.module)),
        ("reason", Some(&condition.reason)),
        ("status", Some(condition.status.as_str())),
        ("type", Some(&condition.type_)),
    ];
    point(&attributes, i64::from(condition.status.as_str() == "True"), at)
}

fn resource_state(origin: &Origin, object: &ModuleRef, state: &State, at: u64) -> NumberDataPoint {
    let attributes = [
        ("group", Some(object.group.as_str())),
        ("k8s.cluster.name", origin.cluster_name.as_deref()),
        ("kind", Some(&object.plural)),
        ("name", Some(&object.name)),
        ("namespace", Some(object.namespace.as_deref().unwrap_or_default())),
        ("state", Some(state.as_str())),
        ("version", Some(&object.version)),
    ];
    point(&attributes, 1, at)
}

fn resource_condition(
    origin: &Origin,
    object: &ModuleRef,
    condition: &Condition,
    at: u64,
) -> NumberDataPoint {
    let attributes = [
        ("group", Some(object.group.as_str())),
        ("k8s.cluster.name", origin.cluster_name.as_deref()),
        ("kind", Some(&object.plural)),
        ("name", Some(&object.name)),
        ("namespace", Some(object.namespace.as_deref().unwrap_or_default())),
        ("reason", Some(&condition.reason)),
        ("status", Some(condition.status.as_str())),
        ("type", Some(&condition.type_)),
        ("version", Some(&object.version)),
    ];
    let value = match &condition.status {
        ConditionStatus::True => 1,
        ConditionStatus::False => 0,
        _ => -1,
    };
    point(&attributes, value, at)
}

/// A metric without points is never sent; points are in the order of their attributes' values.
fn metric(
    (name, unit, description): (&str, &str, &str),
    mut data_points: Vec<NumberDataPoint>,
) -> Option<Metric> {
    data_points.sort_by_key(|point| point.attributes.iter().map(text).collect::<Vec<_>>());
    (!data_points.is_empty()).then(|| Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        description: description.to_owned(),
        data: Some(metric::Data::Gauge(Gauge { data_points })),
        ..Default::default()
    })
}

fn text(attribute: &KeyValue) -> String {
    match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        other => panic!("not a text: {other:?}"),
    }
}

fn point(attributes_: &[(&str, Option<&str>)], value: i64, at: u64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(attributes_),
        time_unix_nano: at,
        value: Some(number_data_point::Value::AsInt(value)),
        ..Default::default()
    }
}

fn attributes(attributes: &[(&str, Option<&str>)]) -> Vec<KeyValue> {
    let attribute = |(key, value): &(&str, Option<&str>)| {
        let value = any_value::Value::StringValue((*value)?.to_owned());
        let value = Some(AnyValue { value: Some(value) });
        Some(KeyValue { key: (*key).to_owned(), value, ..Default::default() })
    };
    attributes.iter().filter_map(attribute).collect()
}
