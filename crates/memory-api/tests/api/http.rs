//! The same API over HTTP.

use std::pin::pin;

use futures::StreamExt as _;
use kube::{
    Client, Config,
    api::{ListParams, Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event},
    },
};
use memory_api::{Fault, Selection, Server};
use serde_json::json;

use crate::seeded::{TELEMETRIES, refusal, seeded, telemetries};

async fn client_of(server: &Server) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(&server.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

fn watches() -> Selection {
    Selection::resource(TELEMETRIES).verb("watch")
}

#[tokio::test]
async fn a_client_with_the_kubeconfig_reads_and_writes() {
    let api = seeded();
    let server = api.serve_on_loopback().await.unwrap();
    let resources = telemetries(client_of(&server).await);
    assert_eq!(resources.list(&ListParams::default()).await.unwrap().items.len(), 1);
    let patch = Patch::Merge(json!({"status": {"state": "Ready"}}));
    resources.patch_status("default", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(api.get(TELEMETRIES, "kyma-system", "default").unwrap()["status"]["state"], "Ready");
    let missing = resources.get("missing").await.unwrap_err();
    assert_eq!(refusal(&missing), format!(r#"404 NotFound: {TELEMETRIES} "missing" not found"#));
}

/// After `interrupt` the watcher tells of the next change, and has listed only once.
async fn resumes(interrupt: impl AsyncFnOnce(&mut Server)) {
    let api = seeded();
    let mut server = api.serve_on_loopback().await.unwrap();
    let resources = telemetries(client_of(&server).await);
    let stream = watcher::watcher(resources, watcher::Config::default()).default_backoff();
    let mut stream = pin!(stream.filter_map(async |event| match event {
        Ok(Event::InitApply(object) | Event::Apply(object)) => Some(object.data["status"]["state"].clone()),
        _ => None,
    }));
    assert_eq!(stream.next().await.unwrap(), "Warning");
    let (state, ()) = tokio::join!(stream.next(), async {
        api.watches().until(&watches(), 1).await;
        interrupt(&mut server).await;
        api.patch_status(TELEMETRIES, "kyma-system", "default", &json!({"state": "Ready"})).unwrap();
    });
    assert_eq!(state.unwrap(), "Ready");
    assert_eq!(api.requests().count(&Selection::resource(TELEMETRIES).verb("list")), 1);
}

#[tokio::test]
async fn a_connection_that_is_cut_in_the_middle_of_a_line_is_resumed() {
    resumes(async |server| {
        assert_eq!(server.api().watches().cut(&watches()), 1);
    })
    .await;
}

#[tokio::test]
async fn a_watch_survives_a_server_that_was_away() {
    resumes(async |server| {
        server.stop().await;
        assert_eq!(server.api().watches().count(&watches()), 0, "its connections are closed");
        server.start().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_stopped_server_refuses_connections() {
    let api = seeded();
    let mut server = api.serve_on_loopback().await.unwrap();
    let resources = telemetries(client_of(&server).await);
    resources.get("default").await.unwrap();
    let address = server.address();
    server.stop().await;
    assert!(resources.get("default").await.is_err());
    server.start().await.unwrap();
    assert_eq!(server.address(), address);
    resources.get("default").await.unwrap();
}

#[tokio::test]
async fn a_disconnect_closes_the_connection_without_an_answer() {
    let api = seeded();
    let server = api.serve_on_loopback().await.unwrap();
    api.faults().add(Fault::disconnect(Selection::any()).times(1));
    let resources = telemetries(client_of(&server).await);
    assert!(!matches!(resources.get("default").await.unwrap_err(), kube::Error::Api(_)));
    resources.get("default").await.unwrap();
}
