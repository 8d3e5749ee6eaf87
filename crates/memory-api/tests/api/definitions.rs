//! Custom resource definitions: registration, discovery, schemas, removal.

use std::pin::pin;

use futures::StreamExt as _;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, CustomResourceExt as _, ResourceExt as _,
    api::{
        DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, WatchEvent,
        WatchParams,
    },
    discovery::{self, Discovery, Scope},
    runtime::{conditions::is_crd_established, wait::await_condition},
};
use memory_api::{MemoryApi, seed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::seeded::{TELEMETRIES, client, documents, refusal, seeded, telemetries};

/// A kind as a module team would derive it.
#[derive(kube::CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[kube(
    group = "example.org",
    version = "v1",
    kind = "Car",
    namespaced,
    status = "CarStatus",
    shortname = "auto"
)]
struct CarSpec {
    wheels: u8,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
struct CarStatus {
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
struct Condition {
    r#type: String,
    status: String,
}

async fn get_json(client: &kube::Client, path: &str) -> Value {
    client.request(::http::Request::get(path).body(Vec::new()).unwrap()).await.unwrap()
}

async fn with_cars(api: &MemoryApi) -> Api<Car> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client(api));
    let params = PatchParams::apply("tests").force();
    definitions.patch("cars.example.org", &params, &Patch::Apply(Car::crd())).await.unwrap();
    await_condition(definitions, "cars.example.org", is_crd_established()).await.unwrap();
    Api::default_namespaced(client(api))
}

#[tokio::test(start_paused = true)]
async fn an_applied_definition_serves_its_kind_at_once() {
    let api = MemoryApi::new();
    let cars = with_cars(&api).await;
    let car = Car::new("a", CarSpec { wheels: 4 });
    let stored = cars.create(&kube::api::PostParams::default(), &car).await.unwrap();
    assert_eq!((stored.spec.wheels, stored.metadata.generation), (4, Some(1)));
}

#[tokio::test(start_paused = true)]
async fn conditions_are_merged_by_the_key_that_the_schema_names() {
    let api = MemoryApi::new();
    let cars = with_cars(&api).await;
    cars.create(&kube::api::PostParams::default(), &Car::new("a", CarSpec { wheels: 4 })).await.unwrap();
    let apply = |manager: &'static str, conditions: Value| {
        let cars = cars.clone();
        async move {
            let patch =
                json!({"apiVersion": "example.org/v1", "kind": "Car", "status": {"conditions": conditions}});
            let params = PatchParams::apply(manager).force();
            let car = cars.patch_status("a", &params, &Patch::Apply(patch)).await.unwrap();
            car.status
                .unwrap()
                .conditions
                .into_iter()
                .map(|c| format!("{}={}", c.r#type, c.status))
                .collect::<Vec<_>>()
        }
    };
    apply("one", json!([{"type": "A", "status": "True"}, {"type": "B", "status": "True"}])).await;
    apply("two", json!([{"type": "C", "status": "True"}])).await;
    let merged = apply("one", json!([{"type": "A", "status": "False"}])).await;
    assert_eq!(merged, ["A=False", "C=True"]);
}

#[tokio::test]
async fn the_status_of_a_definition_says_what_was_accepted() {
    let api = seeded();
    let definition = api
        .get("customresourcedefinitions.apiextensions.k8s.io", "", "kymas.operator.kyma-project.io")
        .unwrap();
    insta::assert_json_snapshot!(definition["status"], { ".conditions[].lastTransitionTime" => "[time]" });
}

#[tokio::test]
async fn a_definition_that_cannot_be_served_is_refused() {
    let api = MemoryApi::new();
    let mut definition = documents(seed::CRDS).remove(0);
    definition["metadata"]["name"] = "other".into();
    let refusal = api.create(definition).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        r#"CustomResourceDefinition.apiextensions.k8s.io "other" is invalid: metadata.name: Invalid value: "other": must be spec.names.plural+"."+spec.group"#,
    );
}

fn finds_the_modules(discovery: &Discovery) {
    let kind = GroupVersionKind::gvk("operator.kyma-project.io", "v1alpha1", "NATS");
    let (resource, capabilities) = discovery.resolve_gvk(&kind).unwrap();
    assert_eq!((resource.plural.as_str(), &capabilities.scope), ("nats", &Scope::Namespaced));
    assert!(discovery.has_group("apiextensions.k8s.io") && discovery.has_group(""));
    let kyma = discovery.get("operator.kyma-project.io").unwrap();
    assert_eq!(kyma.versions().collect::<Vec<_>>(), ["v1beta2", "v1beta1", "v1alpha1"]);
}

#[tokio::test]
async fn discovery_finds_the_modules() {
    finds_the_modules(&Discovery::new(client(&seeded())).run().await.unwrap());
}

#[tokio::test]
async fn aggregated_discovery_finds_the_modules() {
    finds_the_modules(&Discovery::new(client(&seeded())).run_aggregated().await.unwrap());
}

#[tokio::test]
async fn discovery_finds_one_group_and_one_kind() {
    let client = client(&seeded());
    let group = discovery::group(&client, "operator.kyma-project.io").await.unwrap();
    assert_eq!(group.recommended_kind("Telemetry").unwrap().0.plural, "telemetries");
    let kind = GroupVersionKind::gvk("operator.kyma-project.io", "v1alpha1", "Serverless");
    assert_eq!(discovery::pinned_kind(&client, &kind).await.unwrap().0.plural, "serverlesses");
    assert_eq!(client.apiserver_version().await.unwrap().minor, "34");
}

#[tokio::test]
async fn the_schema_is_published_as_it_was_given() {
    let client = client(&seeded());
    let index = get_json(&client, "/openapi/v3").await;
    let path =
        index["paths"]["apis/operator.kyma-project.io/v1alpha1"]["serverRelativeURL"].as_str().unwrap();
    let document = get_json(&client, path).await;
    insta::assert_json_snapshot!(
        document["components"]["schemas"]["io.kyma-project.operator.v1alpha1.Telemetry"]
    );
}

#[tokio::test]
async fn one_object_is_served_in_every_version() {
    let api = seeded();
    for version in ["v1beta1", "v1beta2"] {
        let path = format!("/apis/operator.kyma-project.io/{version}/namespaces/kyma-system/kymas/default");
        let kyma = get_json(&client(&api), &path).await;
        assert_eq!(kyma["apiVersion"], format!("operator.kyma-project.io/{version}"));
        assert_eq!(kyma["status"]["state"], "Warning");
    }
}

#[tokio::test(start_paused = true)]
async fn a_removed_definition_takes_its_objects_along_and_ends_their_watches() {
    let api = seeded();
    let version = api.revision().to_string();
    let resources = telemetries(client(&api));
    let mut watch = pin!(resources.watch(&WatchParams::default(), &version).await.unwrap());
    let definitions: Api<CustomResourceDefinition> = Api::all(client(&api));
    definitions.delete(TELEMETRIES, &DeleteParams::default()).await.unwrap();

    assert!(
        matches!(watch.next().await, Some(Ok(WatchEvent::Deleted(object))) if object.name_any() == "default")
    );
    assert!(watch.next().await.is_none());
    let error = refusal(&resources.list(&ListParams::default()).await.unwrap_err());
    assert!(error.starts_with("404") && error.contains("404 page not found"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_edited_definition_ends_only_its_own_watches() {
    let api = seeded();
    let version = api.revision().to_string();
    let resources = telemetries(client(&api));
    let mut watch = pin!(resources.watch(&WatchParams::default(), &version).await.unwrap());
    let edit = json!({"spec": {"names": {"categories": ["kyma"]}}});
    let definitions = "customresourcedefinitions.apiextensions.k8s.io";
    api.patch(definitions, "", "kedas.operator.kyma-project.io", &edit).unwrap();
    api.patch_status(TELEMETRIES, "kyma-system", "default", &json!({"state": "Ready"})).unwrap();
    assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Modified(_)))));
    api.patch(definitions, "", TELEMETRIES, &edit).unwrap();
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn the_catalog_names_what_the_definitions_serve() {
    let api = seeded();
    let catalog = documents(seed::CATALOG).remove(0);
    let modules = catalog["modules"].as_array().unwrap();
    assert_eq!(modules.len(), 7);
    for module in modules {
        let text = |field: &str| module[field].as_str().unwrap().to_owned();
        let name = format!("{}.{}", text("resource"), text("group"));
        let definition = api.get("customresourcedefinitions.apiextensions.k8s.io", "", &name).unwrap();
        assert_eq!(definition["metadata"]["labels"]["kyma-project.io/module"], text("name"));
        let objects: Api<DynamicObject> = Api::all_with(
            client(&api),
            &kube::api::ApiResource {
                group: text("group"),
                version: "v1alpha1".to_owned(),
                api_version: "operator.kyma-project.io/v1alpha1".to_owned(),
                kind: definition["spec"]["names"]["kind"].as_str().unwrap().to_owned(),
                plural: text("resource"),
            },
        );
        assert_eq!(objects.list(&ListParams::default()).await.unwrap().items.len(), 1, "{name}");
    }
}
