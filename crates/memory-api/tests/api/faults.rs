//! Faults on demand, and the log of requests.

use std::{pin::pin, time::Duration};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api,
    api::{ListParams, WatchEvent, WatchParams},
};
use memory_api::{Fault, Selection};
use tokio::time::{Instant, timeout};

use crate::seeded::{client, refusal, seeded, telemetries};

#[tokio::test]
async fn a_refused_right_has_the_words_of_the_real_api_server() {
    let api = seeded();
    api.faults().add(Fault::forbidden(Selection::any()));
    let (resources, secrets) = (telemetries(client(&api)), Api::<Secret>::namespaced(client(&api), "apps"));
    let namespaces: Api<Namespace> = Api::all(client(&api));
    let everywhere: Api<Secret> = Api::all(client(&api));
    let version = api.revision().to_string();
    let refusals = [
        resources.list(&ListParams::default()).await.err(),
        resources.watch(&WatchParams::default(), &version).await.err(),
        secrets.list(&ListParams::default().fields("metadata.name=password")).await.err(),
        secrets.get("password").await.err(),
        everywhere.list(&ListParams::default()).await.err(),
        namespaces.get("kube-system").await.err(),
        resources.get_status("default").await.err(),
    ];
    let refusals = refusals.map(|error| refusal(&error.unwrap()));
    insta::assert_snapshot!(refusals.join("\n"));
}

#[tokio::test]
async fn a_fault_meets_only_what_it_selects() {
    let api = seeded();
    let only = Selection::resource("telemetries").verb("get").namespace("kyma-system").name("default");
    let fault = api.faults().add(Fault::status(only, 500));
    let resources = telemetries(client(&api));
    assert!(resources.list(&ListParams::default()).await.is_ok());
    assert_eq!(
        refusal(&resources.get("default").await.unwrap_err()),
        "500 InternalError: Internal error occurred: injected fault"
    );
    api.faults().lift(fault);
    assert!(resources.get("default").await.is_ok());
}

#[tokio::test]
async fn a_fault_can_be_counted() {
    let api = seeded();
    api.faults().add(Fault::status(Selection::any(), 503).times(2));
    let resources = telemetries(client(&api));
    for answered in [false, false, true] {
        assert_eq!(resources.get("default").await.is_ok(), answered);
    }
}

#[tokio::test]
async fn gone_is_a_refused_list_and_an_event_of_a_watch() {
    let api = seeded();
    api.faults().add(Fault::gone(Selection::any()));
    let resources = telemetries(client(&api));
    assert!(refusal(&resources.list(&ListParams::default()).await.unwrap_err()).starts_with("410 Expired"));
    let mut watch = pin!(resources.watch(&WatchParams::default(), "1").await.unwrap());
    assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Error(status))) if status.code == 410));
}

#[tokio::test(start_paused = true)]
async fn a_slow_api_answers_late_and_a_hanging_one_when_the_fault_is_lifted() {
    let api = seeded();
    let resources = telemetries(client(&api));
    let start = Instant::now();
    let slow = api.faults().add(Fault::delay(Selection::any(), Duration::from_secs(3)));
    resources.get("default").await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    api.faults().lift(slow);

    api.faults().add(Fault::hang(Selection::any()));
    let mut request = pin!(resources.get("default"));
    assert!(timeout(Duration::from_mins(1), &mut request).await.is_err());
    api.faults().clear();
    assert!(request.await.is_ok());
}

#[tokio::test]
async fn an_api_that_is_away_gives_no_answer_at_all() {
    let api = seeded();
    api.faults().add(Fault::disconnect(Selection::any()));
    let error = telemetries(client(&api)).get("default").await.unwrap_err();
    assert!(matches!(error, kube::Error::Service(_)), "{error:?}");
}

#[tokio::test]
async fn requests_are_logged_with_what_they_ask_for() {
    let api = seeded();
    let resources = telemetries(client(&api));
    resources.list(&ListParams::default().fields("metadata.name=default")).await.unwrap();
    resources.get_status("default").await.unwrap();
    let log = api.requests().all();
    insta::assert_debug_snapshot!(log);
    assert_eq!(api.requests().count(&Selection::resource("telemetries").name("default")), 2);
    assert_eq!(api.requests().count(&Selection::any().subresource("status")), 1);
    api.requests().clear();
    assert_eq!(api.requests().all(), []);
}
