//! What a strict receiver would refuse or show wrongly.

use memory_backend::opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use memory_backend::opentelemetry_proto::tonic::metrics::v1::Metric;
use memory_backend::{Backend, Code, Outcome};

use crate::message::{CONDITION, STATE, gauge, message, object, point, ready, state};
use crate::send::{export, post_message};

/// Sends messages to a lenient and to a strict backend; gives the violations, and what the strict one took.
async fn check(messages: &[ExportMetricsServiceRequest]) -> String {
    let lenient = Backend::builder().start().await.unwrap();
    let strict = Backend::builder().strict().start().await.unwrap();
    for message in messages {
        post_message(&lenient, message).await.unwrap();
        post_message(&strict, message).await.unwrap();
    }
    assert!(lenient.requests().iter().all(|request| request.outcome == Outcome::Accepted));
    let (view, refused) = (lenient.view(), strict.points().len() < lenient.points().len());
    let verdict = if refused { "refused if strict" } else { "taken even if strict" };
    format!("{}\n({verdict})", view.violations().join("\n"))
}

fn of(value: Option<i64>, ms: u64) -> Metric {
    state("nats", "Ready", value, ms)
}

fn one(metric: Metric) -> ExportMetricsServiceRequest {
    message(vec![metric])
}

fn condition(reason: &str, value: Option<i64>, ms: u64) -> Metric {
    let attributes = [("name", "nats"), ("reason", reason), ("status", "True"), ("type", "Ready")];
    gauge(CONDITION, vec![point(&attributes, value, ms)])
}

#[tokio::test]
async fn each_violation_is_caught_and_told_with_its_series() {
    let hour = 3_600_000;
    let points = || vec![point(&[("a", "1")], Some(1), 1), point(&[("a", "2")], None, 1)];
    let valueless = {
        let mut valueless = point(&[], None, 1);
        valueless.flags = 0;
        gauge("queue", vec![valueless])
    };
    let cases: Vec<(&str, Vec<ExportMetricsServiceRequest>)> = vec![
        ("out of order", vec![one(of(Some(1), 7)), one(of(Some(1), 5))]),
        ("an end marker out of order", vec![one(of(Some(1), 7)), one(of(None, 5))]),
        ("a value behind a newer end marker", vec![one(of(None, 7)), one(of(Some(1), 5))]),
        ("another value in the same millisecond", vec![one(of(Some(1), 7)), one(of(Some(0), 7))]),
        ("an end marker in the millisecond of the value", vec![one(of(Some(1), 7)), one(of(None, 7))]),
        ("a value in the millisecond of the end marker", vec![one(of(None, 7)), one(of(Some(1), 7))]),
        (
            "more than an hour behind",
            vec![one(of(Some(1), hour + 9)), one(state("kyma", "Ready", Some(1), 8))],
        ),
        ("twice in one request", vec![message(vec![of(Some(1), 1), of(Some(1), 2)])]),
        (
            "two resources with equal attributes",
            vec![ExportMetricsServiceRequest {
                resource_metrics: vec![object("a", vec![of(Some(1), 1)]), object("b", vec![of(Some(1), 1)])],
            }],
        ),
        ("neither value nor flag", vec![one(valueless)]),
        ("a metric without points", vec![one(gauge(STATE, Vec::new()))]),
        ("a marker among values", vec![one(gauge("queue", points()))]),
        (
            "two markers in one metric",
            vec![one(gauge("queue", vec![point(&[("a", "1")], None, 1), point(&[("a", "2")], None, 1)]))],
        ),
        (
            "a marker before values",
            vec![message(vec![state("nats", "Old", None, 1), condition("A", Some(1), 1)])],
        ),
        (
            "two live states",
            vec![one(of(Some(1), 1)), one(state("nats", "Error", Some(0), 2)), one(of(Some(1), 3))],
        ),
        ("two live reasons", vec![one(condition("A", Some(1), 1)), one(condition("B", Some(1), 2))]),
    ];
    let mut told = Vec::new();
    for (title, messages) in cases {
        told.push(format!("# {title}\n{}\n", check(&messages).await));
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn a_strict_backend_refuses_the_whole_request_on_both_transports() {
    let backend = Backend::builder().strict().start().await.unwrap();
    export(&backend, ready(7)).await.unwrap();
    let mixed = message(vec![state("kyma", "Ready", Some(1), 8), state("nats", "Ready", Some(1), 5)]);
    let status = export(&backend, mixed.clone()).await.unwrap_err();
    let reason = r#"kyma.module.status.state{name="nats",state="Ready"}: out of order: 5 is before 7"#;
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, reason));
    assert_eq!(post_message(&backend, &mixed).await.unwrap().status(), 400);
    assert_eq!(backend.points().len(), 1);
    assert_eq!(backend.view().violations().len(), 2);
}
