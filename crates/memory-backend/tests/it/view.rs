//! What the backend shows.

use memory_backend::opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use memory_backend::{Backend, Kind, View};

use crate::message::{CONDITION, STATE, gauge, message, object, point, state, sum};
use crate::send::export;

async fn after(messages: impl IntoIterator<Item = ExportMetricsServiceRequest>) -> std::sync::Arc<View> {
    let backend = Backend::builder().start().await.unwrap();
    for message in messages {
        export(&backend, message).await.unwrap();
    }
    assert_eq!(backend.view().violations(), [""; 0]);
    backend.view()
}

#[tokio::test]
async fn a_change_of_state_replaces_the_series_and_ends_the_old_one() {
    let condition = |value, ms| {
        let attributes =
            [("name", "nats"), ("reason", "a \"quoted\"\\\nword"), ("status", "True"), ("type", "Ready")];
        gauge(CONDITION, vec![point(&attributes, value, ms)])
    };
    let view = after([
        message(vec![state("nats", "Ready", Some(1), 1), condition(Some(1), 1)]),
        message(vec![state("nats", "Warning", Some(0), 2), state("nats", "Ready", None, 2)]),
    ])
    .await;
    assert_eq!(
        view.live(),
        [
            r#"kyma.module.status.condition{name="nats",reason="a \"quoted\"\\\nword",status="True",type="Ready"} 1"#,
            r#"kyma.module.status.state{name="nats",state="Warning"} 0"#,
        ]
    );
    assert_eq!(view.ended(), [r#"kyma.module.status.state{name="nats",state="Ready"}"#]);
    assert_eq!(view.value(STATE, &[("name", "nats")]).unwrap(), 0);
    assert_eq!(view.value(STATE, &[("state", "Ready")]), None);
    assert_eq!(view.matching(STATE, &[("name", "nats")]).count(), 2);
    assert_eq!(view.points().count(), 4);
}

#[tokio::test]
async fn an_ended_series_lives_again_with_its_next_value() {
    let of = |value, ms| message(vec![state("nats", "Ready", value, ms)]);
    let view = after([of(Some(1), 1), of(None, 2), of(Some(1), 3)]).await;
    assert!(view.ended().is_empty());
    assert_eq!(view.live().len(), 1);
}

#[tokio::test]
async fn a_retry_with_the_same_bytes_is_no_violation() {
    let same = || message(vec![state("nats", "Ready", Some(1), 1), state("nats", "Old", None, 1)]);
    assert_eq!(after([same(), same()]).await.requests().len(), 2);
}

#[tokio::test]
async fn markers_of_one_object_may_stand_before_values_of_the_next() {
    let first = object("a", vec![state("a", "Ready", Some(1), 1), state("a", "Old", None, 1)]);
    let second = object("b", vec![state("b", "Ready", Some(1), 1)]);
    after([ExportMetricsServiceRequest { resource_metrics: vec![first, second] }]).await;
}

#[tokio::test]
async fn two_states_over_different_objects_are_no_violation() {
    let metrics = |kind| {
        let of = |state| [("name", "nats"), ("k8s.resource.kind", kind), ("state", state)];
        vec![gauge(STATE, vec![point(&of(if kind == "a" { "Ready" } else { "Error" }), Some(1), 1)])]
    };
    after([message(metrics("a")), message(metrics("b"))]).await;
}

#[tokio::test]
async fn sums_keep_what_makes_them_sums() {
    let view = after([message(vec![sum("transitions", vec![point(&[], Some(3), 1)])])]).await;
    let point = view.points().next().unwrap();
    assert_eq!(point.kind, Kind::Sum { monotonic: true, cumulative: true });
    assert!(point.is_monotonic_sum());
}
