//! Faults on demand.

use std::time::Duration;

use memory_backend::opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use memory_backend::{Backend, Code, Fault, Outcome};
use prost::Message as _;
use tokio::time::{Instant, timeout};

use crate::message::{message, ready, state};
use crate::send::{LONG, export, post_message};

async fn with(fault: impl Into<Fault>) -> Backend {
    let backend = Backend::builder().start().await.unwrap();
    backend.faults().next(2, fault);
    backend
}

#[tokio::test]
async fn a_grpc_status_reaches_both_transports_with_when_to_come_again() {
    let refusal = Fault::grpc(Code::Unavailable, "not now").with_retry_after(Duration::from_secs(7));
    let backend = with(refusal).await;

    let status = export(&backend, ready(1)).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "not now"));
    let details = String::from_utf8_lossy(status.details());
    assert!(details.contains("type.googleapis.com/google.rpc.RetryInfo"), "{details:?}");
    assert!(status.details().ends_with(&[0x0a, 2, 8, 7]), "a delay of 7 s");

    let answer = post_message(&backend, &ready(1)).await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "7");
    assert!(String::from_utf8_lossy(answer.body()).contains("not now"));

    let refused = Outcome::Refused { message: "not now".to_owned() };
    assert!(backend.requests().iter().all(|request| request.outcome == refused));
    assert_eq!(backend.requests()[0].points.len(), 1, "what was refused can be looked at");
    assert!(backend.points().is_empty());
    export(&backend, ready(1)).await.unwrap();
}

#[tokio::test]
async fn an_http_status_is_what_a_proxy_would_answer() {
    let date = "Tue, 24 Nov 2026 00:00:00 GMT";
    let backend = with(Fault::http(429, "slow down").with_header("retry-after", date)).await;
    let answer = post_message(&backend, &ready(1)).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (429, &date.parse().unwrap()));
    let status = export(&backend, ready(1)).await.unwrap_err();
    // tonic takes the proxy's text for a gRPC frame, and says so.
    assert!(status.message().contains("429 Too Many Requests"), "{status:?}");
}

#[tokio::test]
async fn a_partial_success_takes_all_but_the_last_points() {
    let backend = with(Fault::partial_success(1, "one too many")).await;
    let two = message(vec![state("nats", "Ready", Some(1), 1), state("eventing", "Ready", Some(1), 1)]);

    let partial = export(&backend, two.clone()).await.unwrap().partial_success.unwrap();
    assert_eq!((partial.rejected_data_points, partial.error_message.as_str()), (1, "one too many"));
    let answer = post_message(&backend, &two).await.unwrap();
    let partial = ExportMetricsServiceResponse::decode(&answer.body()[..]).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_data_points, 1);

    assert_eq!(backend.view().live(), [r#"kyma.module.status.state{name="nats",state="Ready"} 1"#]);
}

#[tokio::test]
async fn a_request_that_hangs_is_recorded_and_never_answered() {
    let backend = with(Fault::Hang).await;
    {
        let exporting = export(&backend, ready(1));
        tokio::pin!(exporting);
        tokio::select! {
            _ = &mut exporting => panic!("answered"),
            seen = backend.wait_for(|view| view.requests().len() == 1, LONG) => drop(seen.unwrap()),
        }
        assert!(futures::poll!(&mut exporting).is_pending());
    }
    assert_eq!(backend.requests()[0].outcome, Outcome::Lost);

    let message = ready(1);
    let posting = post_message(&backend, &message);
    tokio::pin!(posting);
    tokio::select! {
        _ = &mut posting => panic!("answered"),
        seen = backend.wait_for(|view| view.requests().len() == 2, LONG) => drop(seen.unwrap()),
    }
    timeout(LONG, backend.stop()).await.expect("a request that hangs does not hold up a stop");
    assert!(timeout(LONG, posting).await.unwrap().is_err());
}

#[tokio::test]
async fn a_delayed_request_is_taken_before_it_is_answered() {
    let backend = with(Fault::Delay(Duration::from_millis(20))).await;
    let began = Instant::now();
    export(&backend, ready(1)).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(20));
    assert!(backend.requests()[0].arrived.elapsed() >= Duration::from_millis(20));
}

#[tokio::test]
async fn a_connection_can_be_closed_in_the_middle_of_a_request() {
    let backend = with(Fault::Close).await;
    let status = export(&backend, ready(1)).await.unwrap_err();
    assert!(matches!(status.code(), Code::Unknown | Code::Unavailable), "{status:?}");
    assert!(post_message(&backend, &ready(1)).await.is_err());
    assert_eq!(backend.requests().len(), 2);
    assert!(backend.requests().iter().all(|request| request.outcome == Outcome::Lost));
    export(&backend, ready(1)).await.unwrap();
}

#[tokio::test]
async fn garbage_claims_to_be_otlp_and_is_not() {
    let backend = with(Fault::Garbage).await;
    let status = export(&backend, ready(1)).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal, "{status:?}");
    let answer = post_message(&backend, &ready(1)).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"application/x-protobuf".parse().unwrap())
    );
    assert!(ExportMetricsServiceResponse::decode(&answer.body()[..]).is_err());
    assert!(backend.points().is_empty());
}

#[tokio::test]
async fn a_web_page_is_no_otlp_answer() {
    let backend = with(Fault::NotOtlp).await;
    assert!(export(&backend, ready(1)).await.is_err());
    let answer = post_message(&backend, &ready(1)).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"text/html".parse().unwrap())
    );
}

#[tokio::test]
async fn a_trickling_answer_is_a_success_in_the_end() {
    let backend = with(Fault::Trickle(Duration::from_millis(1))).await;
    let began = Instant::now();
    assert!(export(&backend, ready(1)).await.unwrap().partial_success.is_none());
    assert!(began.elapsed() >= Duration::from_millis(30));
    let answer = post_message(&backend, &ready(1)).await.unwrap();
    assert_eq!(ExportMetricsServiceResponse::decode(&answer.body()[..]).unwrap().partial_success, None);
    assert_eq!(backend.points().len(), 2);
}

#[tokio::test]
async fn planned_faults_come_in_order_and_then_the_one_that_stays_until_it_is_cleared() {
    let backend = Backend::builder().start().await.unwrap();
    backend.faults().always(Fault::grpc(Code::Internal, "always"));
    backend.faults().next(1, Fault::grpc(Code::Unavailable, "first"));
    backend.faults().next(1, Fault::grpc(Code::Unavailable, "second"));
    let mut messages = Vec::new();
    for _ in 0..4 {
        messages.push(export(&backend, ready(1)).await.unwrap_err().message().to_owned());
    }
    assert_eq!(messages, ["first", "second", "always", "always"]);
    assert_eq!(backend.faults().waiting(), 0);
    backend.faults().clear();
    export(&backend, ready(1)).await.unwrap();
}
