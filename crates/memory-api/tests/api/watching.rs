//! Watches, as kube-runtime keeps them.

use std::{pin::pin, time::Duration};

use futures::{Stream, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt as _,
    api::{DynamicObject, WatchEvent, WatchParams},
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt as _, reflector,
        watcher::{self, Config, Event},
    },
};
use memory_api::{MemoryApi, Selection};
use serde_json::{Value, json};

use crate::seeded::{TELEMETRIES, client, seeded, telemetries, telemetry};

fn set_state(api: &MemoryApi, state: &str) {
    api.patch_status(TELEMETRIES, "kyma-system", "default", &json!({"state": state})).unwrap();
}

fn watches() -> Selection {
    Selection::resource(TELEMETRIES).verb("watch")
}

fn lists() -> Selection {
    Selection::resource(TELEMETRIES).verb("list")
}

fn told(event: &Event<DynamicObject>) -> String {
    let state = |object: &DynamicObject| object.data["status"]["state"].as_str().unwrap_or("-").to_owned();
    match event {
        Event::Init => "init".to_owned(),
        Event::InitApply(object) => format!("init {}", state(object)),
        Event::InitDone => "done".to_owned(),
        Event::Apply(object) => format!("apply {}", state(object)),
        Event::Delete(object) => format!("delete {}", state(object)),
    }
}

async fn next(stream: &mut (impl Stream<Item = watcher::Result<Event<DynamicObject>>> + Unpin)) -> String {
    match stream.next().await.unwrap() {
        Ok(event) => told(&event),
        Err(error) => format!("error {error}"),
    }
}

async fn events<const N: usize>(
    stream: &mut (impl Stream<Item = watcher::Result<Event<DynamicObject>>> + Unpin),
) -> [String; N] {
    let mut told = [const { String::new() }; N];
    for event in &mut told {
        *event = next(stream).await;
    }
    told
}

async fn follows_an_object(config: Config, expected_lists: usize) {
    let api = seeded();
    let mut stream = pin!(watcher::watcher(telemetries(client(&api)), config));
    assert_eq!(events(&mut stream).await, ["init", "init Warning", "done"]);
    set_state(&api, "Ready");
    assert_eq!(next(&mut stream).await, "apply Ready");
    api.delete(TELEMETRIES, "kyma-system", "default").unwrap();
    assert_eq!(next(&mut stream).await, "delete Ready");
    assert_eq!(api.requests().count(&lists()), expected_lists);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_lists_and_watches() {
    follows_an_object(Config::default(), 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_watcher_streams_its_list() {
    follows_an_object(Config::default().streaming_lists(), 0).await;
}

/// What happens to the watch, after which the next change arrives without another list.
async fn resumes(interrupt: impl Fn(&MemoryApi)) {
    let api = seeded();
    let mut stream = pin!(watcher::watcher(telemetries(client(&api)), Config::default()).default_backoff());
    assert_eq!(events(&mut stream).await, ["init", "init Warning", "done"]);
    // The watch opens with the first poll after the list.
    let (first, ()) = tokio::join!(next(&mut stream), async {
        api.watches().until(&watches(), 1).await;
        interrupt(&api);
        set_state(&api, "Ready");
    });
    assert_eq!(first, "apply Ready");
    assert_eq!(api.requests().count(&lists()), 1);
    assert_eq!(api.requests().count(&watches()), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_cut_in_the_middle_of_a_line_is_resumed() {
    resumes(|api| assert_eq!(api.watches().cut(&watches()), 1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_is_resumed() {
    resumes(|api| assert_eq!(api.watches().end(&watches()), 1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_falls_silent_is_resumed_after_its_time() {
    resumes(|api| assert_eq!(api.watches().freeze(&watches()), 1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_gone_begins_with_another_list() {
    let api = seeded();
    let mut stream = pin!(watcher::watcher(telemetries(client(&api)), Config::default()));
    assert_eq!(events(&mut stream).await, ["init", "init Warning", "done"]);
    let (error, ()) = tokio::join!(next(&mut stream), async {
        api.watches().until(&watches(), 1).await;
        assert_eq!(api.watches().expire(&watches()), 1);
    });
    assert!(error.contains("too old resource version"), "{error}");
    set_state(&api, "Ready");
    assert_eq!(events(&mut stream).await, ["init", "init Ready", "done"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_before_a_compaction_is_told_that_it_is_gone() {
    let api = seeded();
    let version = api.revision().to_string();
    set_state(&api, "Ready");
    api.compact();
    let mut stream = pin!(telemetries(client(&api)).watch(&WatchParams::default(), &version).await.unwrap());
    let Some(Ok(WatchEvent::Error(status))) = stream.next().await else { panic!("no error event") };
    assert_eq!(status.code, 410);
    assert_eq!(status.message, format!("too old resource version: {version} ({})", api.revision()));
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_falls_behind_the_history_is_told_that_it_is_gone() {
    let api = MemoryApi::with_history(2);
    let config = |n: u32| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("c{n}"), "namespace": "default"}});
    let configs: Api<ConfigMap> = Api::default_namespaced(client(&api));
    let version = api.revision().to_string();
    for n in 0..3 {
        api.create(config(n)).unwrap();
    }
    let mut stream = pin!(configs.watch(&WatchParams::default(), &version).await.unwrap());
    assert!(matches!(stream.next().await, Some(Ok(WatchEvent::Error(status))) if status.code == 410));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_watch_has_bookmarks_and_ends_with_its_time() {
    let api = seeded();
    let params = WatchParams::default().timeout(100);
    let start = tokio::time::Instant::now();
    let stream = telemetries(client(&api)).watch(&params, &api.revision().to_string()).await.unwrap();
    let events: Vec<WatchEvent<DynamicObject>> = stream.try_collect().await.unwrap();
    let versions: Vec<&str> = events
        .iter()
        .map(|event| match event {
            WatchEvent::Bookmark(bookmark) => bookmark.metadata.resource_version.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(versions, [api.revision().to_string(), api.revision().to_string()]);
    assert_eq!(start.elapsed(), Duration::from_secs(100));
}

/// The types of the events and the names of their objects.
async fn told_to(params: WatchParams, configs: Api<ConfigMap>, version: String, count: usize) -> Vec<String> {
    let stream = configs.watch(&params, &version).await.unwrap();
    let event = |event: WatchEvent<ConfigMap>| match event {
        WatchEvent::Added(object) => format!("added {}", object.name_any()),
        WatchEvent::Modified(object) => format!("modified {}", object.name_any()),
        WatchEvent::Deleted(object) => format!("deleted {} {}", object.name_any(), object.labels()["color"]),
        other => format!("{other:?}"),
    };
    stream.map_ok(event).take(count).try_collect().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_enters_and_leaves_a_selection_is_added_and_deleted() {
    let api = MemoryApi::new();
    let version = api.revision().to_string();
    let config = |color: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default", "labels": {"color": color}}});
    api.create(config("red")).unwrap();
    for color in ["blue", "blue", "red"] {
        api.load(config(color)).unwrap();
    }
    let configs: Api<ConfigMap> = Api::all(client(&api));
    let blue = WatchParams::default().labels("color=blue");
    assert_eq!(told_to(blue, configs.clone(), version.clone(), 2).await, ["added a", "deleted a blue"]);
    let named = WatchParams::default().fields("metadata.name=a");
    assert_eq!(told_to(named, configs, version, 3).await, ["added a", "modified a", "modified a"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_one_namespace_hears_nothing_of_another() {
    let api = seeded();
    let elsewhere: Api<DynamicObject> = Api::namespaced_with(client(&api), "default", &telemetry());
    let version = api.revision().to_string();
    set_state(&api, "Ready");
    let params = WatchParams::default().timeout(5).disable_bookmarks();
    let stream = elsewhere.watch(&params, &version).await.unwrap();
    assert_eq!(stream.try_collect::<Vec<_>>().await.unwrap().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reflector_follows_every_module() {
    let api = seeded();
    let (reader, writer) = {
        let writer = reflector::store::Writer::<DynamicObject>::new(telemetry());
        (writer.as_reader(), writer)
    };
    let stream = watcher::watcher(telemetries(client(&api)), Config::default());
    let mut stream = pin!(stream.reflect(writer).touched_objects());
    stream.next().await.unwrap().unwrap();
    set_state(&api, "Ready");
    stream.next().await.unwrap().unwrap();
    let states: Vec<Value> =
        reader.state().iter().map(|object| object.data["status"]["state"].clone()).collect();
    assert_eq!(states, ["Ready"]);
}

#[tokio::test(start_paused = true)]
async fn a_metadata_watch_shows_no_status() {
    let api = seeded();
    let resources: Api<PartialObjectMeta<DynamicObject>> =
        Api::namespaced_with(client(&api), "kyma-system", &telemetry());
    let mut stream = pin!(watcher::watcher(resources, Config::default()).applied_objects());
    let object = stream.next().await.unwrap().unwrap();
    assert_eq!(object.name_any(), "default");
}
