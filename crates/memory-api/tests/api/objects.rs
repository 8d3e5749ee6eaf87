//! Objects: create, read, write, delete.

use std::fmt::Debug;

use k8s_openapi::{
    api::{
        coordination::v1::Lease,
        core::v1::{ConfigMap, Namespace, Secret},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, ResourceExt,
    api::{
        DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions, VersionMatch,
    },
};
use memory_api::MemoryApi;
use serde_json::{Value, json};

use crate::seeded::{TELEMETRIES, client, refusal, seeded, telemetries, telemetry};

fn config(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        ..ConfigMap::default()
    }
}

fn refused<T: Debug>(result: Result<T, kube::Error>) -> String {
    refusal(&result.unwrap_err())
}

fn generation(object: &DynamicObject) -> Option<i64> {
    object.metadata.generation
}

#[tokio::test]
async fn the_namespaces_of_every_cluster_are_there_from_the_start() {
    let namespaces: Api<Namespace> = Api::all(client(&MemoryApi::new()));
    let names: Vec<_> =
        namespaces.list(&ListParams::default()).await.unwrap().iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["default", "kube-node-lease", "kube-public", "kube-system"]);
    assert!(namespaces.get("kube-system").await.unwrap().uid().is_some());
}

#[tokio::test]
async fn refusals_have_the_words_of_the_real_api_server() {
    let api = seeded();
    let configs: Api<ConfigMap> = Api::default_namespaced(client(&api));
    let stored = configs.create(&PostParams::default(), &config("a")).await.unwrap();
    let elsewhere: Api<ConfigMap> = Api::namespaced(client(&api), "elsewhere");
    let leases: Api<Lease> = Api::default_namespaced(client(&api));
    let lease: Lease = serde_json::from_value(json!({"metadata": {"name": "l"}})).unwrap();
    leases.create(&PostParams::default(), &lease).await.unwrap();
    configs.patch("a", &PatchParams::default(), &Patch::Merge(json!({"data": {"x": "1"}}))).await.unwrap();
    let other_uid = DeleteParams::default()
        .preconditions(Preconditions { uid: Some("other".to_owned()), resource_version: None });
    let mut misnamed = config("b");
    misnamed.metadata.resource_version = Some("1".to_owned());
    let protected: Api<Namespace> = Api::all(client(&api));
    let unknown = Api::<DynamicObject>::all_with(client(&api), &{
        let mut resource = telemetry();
        resource.version = "v9".to_owned();
        resource.api_version = "operator.kyma-project.io/v9".to_owned();
        resource
    });

    let refusals = [
        refused(configs.get("missing").await),
        refused(telemetries(client(&api)).get("missing").await),
        refused(configs.create(&PostParams::default(), &config("a")).await),
        refused(elsewhere.create(&PostParams::default(), &config("a")).await),
        refused(configs.create(&PostParams::default(), &config("")).await),
        refused(configs.create(&PostParams::default(), &misnamed).await),
        refused(configs.replace("a", &PostParams::default(), &stored).await),
        refused(configs.replace("a", &PostParams::default(), &misnamed).await),
        refused(leases.replace("l", &PostParams::default(), &lease).await),
        refused(configs.delete("a", &other_uid).await),
        refused(protected.delete("default", &DeleteParams::default()).await),
        refused(configs.list(&ListParams::default().fields("data.x=1")).await),
        refused(configs.list(&ListParams::default().labels("a b")).await),
        refused(configs.list(&ListParams::default().at("9999").matching(VersionMatch::NotOlderThan)).await),
        refused(configs.patch("a", &PatchParams::default(), &Patch::Strategic(json!({}))).await),
        refused(unknown.list(&ListParams::default()).await),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

#[tokio::test]
async fn a_status_object_names_what_it_is_about() {
    let error = telemetries(client(&seeded())).get("missing").await.unwrap_err();
    let kube::Error::Api(status) = error else { panic!("{error:?}") };
    insta::assert_json_snapshot!(status);
}

#[tokio::test]
async fn a_status_sent_with_create_is_dropped_and_the_main_endpoint_ignores_it() {
    let api = seeded();
    let resources = telemetries(client(&api));
    let mut sent = DynamicObject::new("other", &telemetry());
    sent.data = json!({"spec": {"a": 1}, "status": {"state": "Ready"}});

    let created = resources.create(&PostParams::default(), &sent).await.unwrap();
    assert_eq!((generation(&created), &created.data), (Some(1), &json!({"spec": {"a": 1}})));

    let patch = Patch::Merge(json!({"status": {"state": "Ready"}}));
    let ignored = resources.patch("other", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(ignored.resource_version(), created.resource_version());

    let status = resources.patch_status("other", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!((generation(&status), &status.data["status"]), (Some(1), &json!({"state": "Ready"})));

    let spec = Patch::Merge(json!({"spec": {"a": 2}, "metadata": {"labels": {"x": "y"}}}));
    let changed = resources.patch("other", &PatchParams::default(), &spec).await.unwrap();
    assert_eq!((generation(&changed), &changed.data["status"]), (Some(2), &json!({"state": "Ready"})));
}

#[tokio::test]
async fn the_status_endpoint_writes_the_status_alone() {
    let resources = telemetries(client(&seeded()));
    let patch = json!({"spec": {"a": 1}, "metadata": {"labels": {"x": "y"}}, "status": {"state": "Ready"}});
    let written =
        resources.patch_status("default", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    assert!(written.labels().is_empty());
    assert_eq!((&written.data["spec"], &written.data["status"]["state"]), (&Value::Null, &json!("Ready")));
}

#[tokio::test]
async fn a_write_that_changes_nothing_has_no_version_of_its_own() {
    let api = seeded();
    let before = api.revision();
    api.patch_status(TELEMETRIES, "kyma-system", "default", &json!({"state": "Warning"})).unwrap();
    assert_eq!(api.revision(), before);
}

#[tokio::test]
async fn an_applied_status_loses_what_its_manager_no_longer_sends() {
    let api = seeded();
    let resources = telemetries(client(&api));
    let apply = |status: Value| {
        let resources = resources.clone();
        async move {
            let object = json!({"apiVersion": "operator.kyma-project.io/v1alpha1", "kind": "Telemetry", "status": status});
            let params = PatchParams::apply("status-manager").force();
            resources.patch_status("default", &params, &Patch::Apply(object)).await.unwrap()
        }
    };
    apply(json!({"state": "Ready", "mine": {"a": 1, "b": 2}})).await;
    let first = apply(json!({"state": "Ready", "mine": {"a": 1}})).await;
    assert_eq!(first.data["status"]["mine"], json!({"a": 1}));
    assert_eq!(first.data["status"]["conditions"].as_array().map(Vec::len), Some(3), "those of others stay");
    let again = apply(json!({"state": "Ready", "mine": {"a": 1}})).await;
    assert_eq!(again.resource_version(), first.resource_version(), "the same again is no write");
}

#[tokio::test]
async fn apply_creates_what_is_missing_and_needs_a_field_manager() {
    let api = seeded();
    let object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}});
    let configs: Api<ConfigMap> = Api::default_namespaced(client(&api));
    let created = configs.patch("a", &PatchParams::apply("m"), &Patch::Apply(&object)).await.unwrap();
    assert_eq!(created.data.unwrap()["x"], "1");

    let empty = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let emptied = configs.patch("a", &PatchParams::apply("m"), &Patch::Apply(&empty)).await.unwrap();
    assert_eq!(emptied.data, None);

    let error = refused(configs.patch("a", &PatchParams::apply(""), &Patch::Apply(&object)).await);
    assert!(error.contains("fieldManager: Required value: is required for apply patch"), "{error}");
}

#[tokio::test]
async fn a_secret_keeps_its_texts_as_data() {
    let secrets: Api<Secret> = Api::default_namespaced(client(&MemoryApi::new()));
    let secret: Secret =
        serde_json::from_value(json!({"metadata": {"name": "s"}, "stringData": {"user": "me"}})).unwrap();
    let stored = secrets.create(&PostParams::default(), &secret).await.unwrap();
    assert_eq!(stored.type_.as_deref(), Some("Opaque"));
    assert_eq!(stored.data.unwrap()["user"].0, b"me");
    assert_eq!(stored.string_data, None);
}

#[tokio::test]
async fn a_name_is_made_from_generate_name() {
    let configs: Api<ConfigMap> = Api::default_namespaced(client(&MemoryApi::new()));
    let mut generated = config("");
    generated.metadata = ObjectMeta { generate_name: Some("a-".to_owned()), ..ObjectMeta::default() };
    let first = configs.create(&PostParams::default(), &generated).await.unwrap();
    let second = configs.create(&PostParams::default(), &generated).await.unwrap();
    assert!(first.name_any().starts_with("a-"));
    assert_ne!(first.name_any(), second.name_any());
}

#[tokio::test]
async fn an_object_with_finalizers_waits_for_them() {
    let api = seeded();
    let resources = telemetries(client(&api));
    let hold = Patch::Merge(json!({"metadata": {"finalizers": ["example.org/hold"]}}));
    resources.patch("default", &PatchParams::default(), &hold).await.unwrap();

    let waiting = resources.delete("default", &DeleteParams::default()).await.unwrap().left().unwrap();
    assert!(waiting.metadata.deletion_timestamp.is_some());
    assert!(resources.get("default").await.is_ok());

    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    resources.patch("default", &PatchParams::default(), &release).await.unwrap();
    assert!(resources.get_opt("default").await.unwrap().is_none());
}

#[tokio::test]
async fn a_namespace_takes_its_contents_along() {
    let api = seeded();
    let namespaces: Api<Namespace> = Api::all(client(&api));
    namespaces.delete("kyma-system", &DeleteParams::default()).await.unwrap();
    assert!(api.get(TELEMETRIES, "kyma-system", "default").is_none());
    assert!(api.get("namespaces", "", "kyma-system").is_none());
}

#[tokio::test]
async fn a_collection_is_deleted_by_label() {
    let api = MemoryApi::new();
    let configs: Api<ConfigMap> = Api::default_namespaced(client(&api));
    for (name, color) in [("a", "red"), ("b", "blue"), ("c", "red")] {
        let mut object = config(name);
        object.labels_mut().insert("color".to_owned(), color.to_owned());
        configs.create(&PostParams::default(), &object).await.unwrap();
    }
    let red = ListParams::default().labels("color in (red)");
    configs.delete_collection(&DeleteParams::default(), &red).await.unwrap();
    let left: Vec<_> =
        configs.list(&ListParams::default()).await.unwrap().iter().map(ResourceExt::name_any).collect();
    assert_eq!(left, ["b"]);
}

#[tokio::test]
async fn pages_show_one_moment_until_it_is_forgotten() {
    let api = MemoryApi::new();
    let configs: Api<ConfigMap> = Api::default_namespaced(client(&api));
    for name in ["a", "b", "c"] {
        configs.create(&PostParams::default(), &config(name)).await.unwrap();
    }
    let first = configs.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!((first.items.len(), first.metadata.remaining_item_count), (2, Some(1)));
    api.delete("configmaps", "default", "c").unwrap();

    let token = first.metadata.continue_.unwrap();
    let rest = configs.list(&ListParams::default().limit(2).continue_token(&token)).await.unwrap();
    assert_eq!(rest.items[0].name_any(), "c", "deleted since, but not at the moment of the list");
    assert_eq!(
        (rest.metadata.continue_, rest.metadata.resource_version),
        (None, first.metadata.resource_version)
    );

    api.compact();
    let error = refused(configs.list(&ListParams::default().continue_token(&token)).await);
    assert!(error.starts_with("410 Expired: The provided continue parameter is too old"), "{error}");
}

#[tokio::test]
async fn a_list_of_an_exact_version_is_gone_with_the_history() {
    let api = seeded();
    let resources = telemetries(client(&api));
    let version = api.revision().to_string();
    api.patch_status(TELEMETRIES, "kyma-system", "default", &json!({"state": "Ready"})).unwrap();
    let exact = ListParams::default().at(&version).matching(VersionMatch::Exact);
    assert_eq!(resources.list(&exact).await.unwrap().items[0].data["status"]["state"], "Warning");

    api.compact();
    let error = refused(resources.list(&exact).await);
    assert_eq!(error, format!("410 Expired: too old resource version: {version} ({})", api.revision()));
}

#[tokio::test]
async fn metadata_alone_can_be_asked_for() {
    let resources = telemetries(client(&seeded()));
    let list = resources.list_metadata(&ListParams::default()).await.unwrap();
    assert_eq!(list.items[0].name_any(), "default");
    assert_eq!(resources.get_metadata("default").await.unwrap().name_any(), "default");
}
