//! What controllers do: reconcile and write a status, elect by Lease, tell by Event.

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use k8s_openapi::{
    api::{coordination::v1::Lease, events::v1::Event as EventObject},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{
    Api, Resource as _, ResourceExt as _,
    api::{DynamicObject, ListParams, Patch, PatchParams, PostParams},
    runtime::{
        Controller,
        controller::Action,
        events::{Event, EventType, Recorder, Reporter},
        watcher,
    },
};
use memory_api::{MemoryApi, Selection};
use serde_json::json;

use crate::seeded::{TELEMETRIES, client, refusal, seeded, telemetries, telemetry};

/// Writes the observed generation by server-side apply.
async fn reconcile(object: Arc<DynamicObject>, resources: Arc<Api<DynamicObject>>) -> kube::Result<Action> {
    let status = json!({
        "apiVersion": "operator.kyma-project.io/v1alpha1",
        "kind": "Telemetry",
        "status": {"observedGeneration": object.meta().generation},
    });
    let params = PatchParams::apply("controller").force();
    resources.patch_status(&object.name_any(), &params, &Patch::Apply(status)).await?;
    Ok(Action::await_change())
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_writes_a_status_comes_to_rest() {
    let api = seeded();
    let resources = telemetries(client(&api));
    let controller = Controller::new_with(resources.clone(), watcher::Config::default(), telemetry());
    let run =
        controller.run(reconcile, |_, _, _| Action::requeue(Duration::from_secs(1)), Arc::new(resources));
    let running = tokio::spawn(run.for_each(async |_| {}));

    let observed = |generation: u64| {
        api.until(TELEMETRIES, "kyma-system", "default", move |object| {
            object.is_some_and(|object| object["status"]["observedGeneration"] == generation)
        })
    };
    observed(1).await;
    api.patch(TELEMETRIES, "kyma-system", "default", &json!({"spec": {"a": 1}})).unwrap();
    observed(2).await;
    tokio::time::advance(Duration::from_mins(5)).await;
    running.abort();
    let writes = api.requests().count(&Selection::resource(TELEMETRIES).subresource("status").verb("patch"));
    assert!(writes <= 4, "a status that is the same again wakes nobody, but there were {writes} writes");
    assert_eq!(api.requests().count(&Selection::resource(TELEMETRIES).verb("list")), 1);
}

#[tokio::test]
async fn of_two_holders_that_renew_a_lease_one_is_told_of_the_conflict() {
    let leases: Api<Lease> = Api::default_namespaced(client(&MemoryApi::new()));
    let lease =
        serde_json::from_value(json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "a"}})).unwrap();
    let mut lease: Lease = leases.create(&PostParams::default(), &lease).await.unwrap();
    lease.spec.get_or_insert_default().renew_time = Some(MicroTime(Timestamp::UNIX_EPOCH));
    let renewed = leases.replace("l", &PostParams::default(), &lease).await.unwrap();
    assert_ne!(renewed.resource_version(), lease.resource_version());
    lease.spec.get_or_insert_default().holder_identity = Some("b".to_owned());
    let conflict = leases.replace("l", &PostParams::default(), &lease).await.unwrap_err();
    assert!(
        refusal(&conflict)
            .starts_with("409 Conflict: Operation cannot be fulfilled on leases.coordination.k8s.io")
    );
    assert_eq!(leases.get("l").await.unwrap().spec.unwrap().holder_identity.as_deref(), Some("a"));
}

#[tokio::test]
async fn an_event_that_repeats_is_counted_in_one_object() {
    let api = seeded();
    let object = telemetries(client(&api)).get("default").await.unwrap();
    let recorder = Recorder::new(client(&api), Reporter::from("tests"));
    let event = Event {
        type_: EventType::Warning,
        reason: "Broken".to_owned(),
        note: None,
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    for _ in 0..3 {
        recorder.publish(&event, &object.object_ref(&telemetry())).await.unwrap();
    }
    let events: Api<EventObject> = Api::namespaced(client(&api), "kyma-system");
    let stored = events.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].series.as_ref().map(|series| series.count), Some(3));
}
