//! A cluster with the seven modules of the seed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::{Client, Config, ResourceExt};
use memory_api::{MemoryApi, Server, seed};
use pipeline_api::MetricPipeline;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::sleep;

/// One test at a time has the cluster of a kubeconfig.
static SHARED: Mutex<()> = Mutex::const_new(());

/// How long anything may take that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The Secrets that tests create.
const SECRETS: [&str; 2] = ["certificates", "token"];

pub(crate) const NAMESPACE: &str = "kyma-system";

/// A cluster, and a folder for the files of a test.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) folder: PathBuf,
    /// The API in memory; `None` for that of a kubeconfig.
    pub(crate) memory: Option<Server>,
    _shared: Option<MutexGuard<'static, ()>>,
}

impl Cluster {
    /// A cluster with the definitions and resources of the seed and no pipeline.
    pub(crate) async fn start() -> Self {
        let cluster = Self::empty().await;
        cluster.load(&yaml(seed::CLUSTER)).await;
        cluster
    }

    /// A cluster with the definitions of the seed.
    pub(crate) async fn empty() -> Self {
        let unique = format!("status-manager-{}-{:?}", std::process::id(), std::thread::current().id());
        let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
        let folder = std::env::temp_dir().join(format!("{unique}-{nanos}").replace(['(', ')'], ""));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("catalog.yaml"), seed::CATALOG).unwrap();
        let cluster = match std::env::var_os("STATUS_MANAGER_E2E_KUBECONFIG") {
            Some(path) => Self::shared(path.into(), folder).await,
            None => Self::in_memory(folder).await,
        };
        cluster.install().await;
        cluster
    }

    async fn in_memory(folder: PathBuf) -> Self {
        let server = MemoryApi::new().serve_on_loopback().await.unwrap();
        let kubeconfig = folder.join("kubeconfig");
        std::fs::write(&kubeconfig, server.kubeconfig()).unwrap();
        Self { client: client(&kubeconfig).await, kubeconfig, folder, memory: Some(server), _shared: None }
    }

    async fn shared(kubeconfig: PathBuf, folder: PathBuf) -> Self {
        let shared = SHARED.lock().await;
        let cluster = Self {
            client: client(&kubeconfig).await,
            kubeconfig,
            folder,
            memory: None,
            _shared: Some(shared),
        };
        cluster.clean().await;
        cluster
    }

    /// The API in memory; a test that needs its faults runs there alone.
    pub(crate) fn memory(&self) -> &MemoryApi {
        self.memory.as_ref().unwrap().api()
    }

    async fn clean(&self) {
        let pipelines: Api<MetricPipeline> = Api::all(self.client.clone());
        let _ = pipelines.delete_collection(&DeleteParams::default(), &ListParams::default()).await;
        for document in yaml(seed::CLUSTER) {
            let _ = self.api_of(&document).delete(name(&document), &DeleteParams::default()).await;
        }
        for name in SECRETS {
            let secrets: Api<Secret> = Api::namespaced(self.client.clone(), NAMESPACE);
            let _ = secrets.delete(name, &DeleteParams::default()).await;
        }
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), NAMESPACE);
        let _ = leases.delete("status-manager", &DeleteParams::default()).await;
    }

    async fn install(&self) {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        self.apply(&namespace).await;
        let mut definitions = yaml(seed::CRDS);
        definitions.push(serde_json::to_value(pipeline_api::crd()).unwrap());
        for definition in &definitions {
            self.apply(definition).await;
        }
        for definition in &definitions {
            self.until_served(definition).await;
        }
    }

    async fn until_served(&self, definition: &Value) {
        let group = definition["spec"]["group"].as_str().unwrap();
        let plural = definition["spec"]["names"]["plural"].as_str().unwrap();
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap();
        let version = definition["spec"]["versions"][0]["name"].as_str().unwrap();
        let kind = GroupVersionKind::gvk(group, version, kind);
        let api: Api<DynamicObject> =
            Api::all_with(self.client.clone(), &ApiResource::from_gvk_with_plural(&kind, plural));
        until(&format!("{plural} are served"), async || api.list(&ListParams::default()).await.is_ok()).await;
    }

    /// Creates objects with their statuses.
    pub(crate) async fn load(&self, documents: &[Value]) {
        for document in documents {
            let api = self.api_of(document);
            let object: DynamicObject = serde_json::from_value(document.clone()).unwrap();
            api.create(&PostParams::default(), &object).await.unwrap();
            let status = json!({"status": document["status"]});
            api.patch_status(name(document), &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
        }
    }

    /// Merges into the status of a resource of the seed, by its kind.
    pub(crate) async fn patch_status(&self, kind: &str, status: Value) {
        let document = yaml(seed::CLUSTER).into_iter().find(|document| document["kind"] == kind).unwrap();
        let patch = Patch::Merge(json!({"status": status}));
        self.api_of(&document).patch_status(name(&document), &PatchParams::default(), &patch).await.unwrap();
    }

    /// Deletes a resource of the seed, by its kind.
    pub(crate) async fn delete(&self, kind: &str) {
        let document = yaml(seed::CLUSTER).into_iter().find(|document| document["kind"] == kind).unwrap();
        self.api_of(&document).delete(name(&document), &DeleteParams::default()).await.unwrap();
    }

    /// Applies an object, as kubectl does.
    pub(crate) async fn apply(&self, document: &Value) {
        let params = PatchParams::apply("e2e").force();
        self.api_of(document).patch(name(document), &params, &Patch::Apply(document)).await.unwrap();
    }

    pub(crate) async fn pipeline(&self, name: &str, spec: Value) {
        self.apply(&json!({
            "apiVersion": "telemetry.kyma-project.io/v1alpha1",
            "kind": "MetricPipeline",
            "metadata": {"name": name},
            "spec": spec,
        }))
        .await;
    }

    pub(crate) async fn delete_pipeline(&self, name: &str) {
        let pipelines: Api<MetricPipeline> = Api::all(self.client.clone());
        pipelines.delete(name, &DeleteParams::default()).await.unwrap();
    }

    pub(crate) async fn secret(&self, name: &str, data: Value) {
        assert!(SECRETS.contains(&name), "{name} would be left behind");
        self.apply(&json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "data": data.as_object().unwrap().iter().map(|(key, value)| {
                let bytes = k8s_openapi::ByteString(value.as_str().unwrap().as_bytes().to_vec());
                (key.clone(), serde_json::to_value(bytes).unwrap())
            }).collect::<serde_json::Map<_, _>>(),
        }))
        .await;
    }

    pub(crate) async fn delete_secret(&self, name: &str) {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), NAMESPACE);
        secrets.delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// The condition of a pipeline as `Status Reason: message`, once it satisfies `wanted`.
    pub(crate) async fn condition(
        &self,
        pipeline: &str,
        kind: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> String {
        let pipelines: Api<MetricPipeline> = Api::all(self.client.clone());
        let begun = Instant::now();
        loop {
            let object = pipelines.get(pipeline).await.unwrap();
            let conditions = object.status.unwrap_or_default().conditions;
            let condition = conditions.iter().find(|condition| condition.type_ == kind).map_or_else(
                || "none".to_owned(),
                |condition| format!("{} {}: {}", condition.status, condition.reason, condition.message),
            );
            if wanted(&condition) {
                return condition;
            }
            assert!(begun.elapsed() < PATIENCE, "{kind} of {pipeline} is still {condition}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for a reason of a condition and returns the condition.
    pub(crate) async fn reason(&self, pipeline: &str, kind: &str, reason: &str) -> String {
        self.condition(pipeline, kind, |condition| condition.contains(&format!(" {reason}: "))).await
    }

    /// The same of a pipeline that has another form.
    pub(crate) async fn unread_reason(&self, pipeline: &str, kind: &str, reason: &str) -> String {
        let document = json!({"apiVersion": "telemetry.kyma-project.io/v1alpha1", "kind": "MetricPipeline", "metadata": {}});
        let mut found = String::new();
        until(&format!("{pipeline} says {reason}"), async || {
            let object = self.api_of(&document).get(pipeline).await.unwrap();
            let conditions = object.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let condition = conditions.iter().find(|it| it["type"] == kind && it["reason"] == reason);
            found = condition.map(|it| it["message"].to_string()).unwrap_or_default();
            !found.is_empty()
        })
        .await;
        found
    }

    fn api_of(&self, document: &Value) -> Api<DynamicObject> {
        let (group, version) = match document["apiVersion"].as_str().unwrap().split_once('/') {
            Some((group, version)) => (group, version),
            None => ("", document["apiVersion"].as_str().unwrap()),
        };
        let kind = document["kind"].as_str().unwrap();
        let gvk = GroupVersionKind::gvk(group, version, kind);
        let plural = yaml(seed::CRDS)
            .iter()
            .find(|definition| definition["spec"]["names"]["kind"] == kind)
            .map(|definition| definition["spec"]["names"]["plural"].as_str().unwrap().to_owned());
        let resource = match plural {
            Some(plural) => ApiResource::from_gvk_with_plural(&gvk, &plural),
            None => ApiResource::from_gvk(&gvk),
        };
        match document["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    /// The names of all Events about pipelines, as `reason: note`.
    pub(crate) async fn events(&self) -> Vec<String> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), "default");
        let mut events = events.list(&ListParams::default()).await.unwrap().items;
        events.sort_by_key(ResourceExt::name_any);
        events
            .into_iter()
            .map(|event| format!("{}: {}", event.reason.unwrap_or_default(), event.note.unwrap_or_default()))
            .collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

async fn client(kubeconfig: &PathBuf) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

/// The documents of a YAML text.
pub(crate) fn yaml(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}

fn name(document: &Value) -> &str {
    document["metadata"]["name"].as_str().unwrap()
}

/// Waits until something is true.
pub(crate) async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is().await {
        assert!(begun.elapsed() < PATIENCE, "in vain waited until {what}");
        sleep(Duration::from_millis(20)).await;
    }
}
