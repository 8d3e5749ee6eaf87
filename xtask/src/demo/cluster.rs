//! The cluster of the demo: an API in memory, used over HTTP as any other.

use std::path::PathBuf;

use anyhow::Context;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::{Client, Config};
use memory_api::{MemoryApi, Server, seed};
use pipeline_api::MetricPipeline;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const NAMESPACE: &str = "kyma-system";
const PIPELINE: &str = "demo";

/// The cluster, and the files that lead to it.
pub(crate) struct Cluster {
    server: Server,
    client: Client,
    folder: TempDir,
    documents: Vec<Value>,
    plurals: Vec<(String, String)>,
}

impl Cluster {
    /// A cluster with the seed's modules and the CRD of the pipelines.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let api = MemoryApi::new();
        let load = |document: Value| {
            api.load(document).map(|_| ()).map_err(|failure| anyhow::anyhow!("{failure:?}"))
        };
        load(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))?;
        let definitions = yaml(seed::CRDS)?;
        for definition in definitions.iter().cloned() {
            load(definition)?;
        }
        load(serde_json::to_value(pipeline_api::crd())?)?;
        let documents = yaml(seed::CLUSTER)?;
        for document in documents.iter().cloned() {
            load(document)?;
        }
        let server = api.serve_on_loopback().await.context("serving the Kubernetes API")?;
        let folder = TempDir::with_prefix("status-manager-demo-").context("making a folder")?;
        std::fs::write(folder.path().join("kubeconfig"), server.kubeconfig())?;
        std::fs::write(folder.path().join("catalog.yaml"), seed::CATALOG)?;
        let client = client(&folder.path().join("kubeconfig")).await?;
        let names = |definition: &Value| {
            let names = &definition["spec"]["names"];
            Some((names["kind"].as_str()?.to_owned(), names["plural"].as_str()?.to_owned()))
        };
        Ok(Self {
            server,
            client,
            folder,
            documents,
            plurals: definitions.iter().filter_map(names).collect(),
        })
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// A file of the demo.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Applies the pipeline, as a user does with kubectl.
    pub(crate) async fn apply_pipeline(&self, endpoint: &str) -> anyhow::Result<()> {
        let pipeline = json!({
            "apiVersion": "telemetry.kyma-project.io/v1alpha1",
            "kind": "MetricPipeline",
            "metadata": {"name": PIPELINE},
            "spec": {
                "input": {"kyma": {"enabled": true}},
                "output": {"otlp": {"endpoint": {"value": endpoint}}},
            },
        });
        let params = PatchParams::apply("demo");
        self.pipelines()
            .patch(PIPELINE, &params, &Patch::Apply(pipeline))
            .await
            .context("applying the pipeline")?;
        Ok(())
    }

    /// The pipeline's conditions: type, status, reason, message.
    pub(crate) async fn conditions(&self) -> anyhow::Result<Vec<[String; 4]>> {
        let pipeline = self.pipelines().get(PIPELINE).await.context("reading the pipeline")?;
        let conditions = pipeline.status.unwrap_or_default().conditions;
        Ok(conditions.into_iter().map(|it| [it.type_, it.status, it.reason, it.message]).collect())
    }

    pub(crate) async fn patch_status(&self, kind: &str, status: &Value) -> anyhow::Result<()> {
        let (api, name) = self.find(kind)?;
        let patch = Patch::Merge(json!({"status": status}));
        api.patch_status(&name, &PatchParams::default(), &patch)
            .await
            .with_context(|| format!("changing {kind}"))?;
        Ok(())
    }

    pub(crate) async fn delete(&self, kind: &str) -> anyhow::Result<()> {
        let (api, name) = self.find(kind)?;
        api.delete(&name, &DeleteParams::default()).await.with_context(|| format!("deleting {kind}"))?;
        Ok(())
    }

    /// Brings every object of the seed back to what it was.
    pub(crate) async fn restore(&self) -> anyhow::Result<()> {
        for document in &self.documents {
            let kind = document["kind"].as_str().unwrap_or_default();
            let (api, name) = self.find(kind)?;
            if api.get_opt(&name).await.context("looking an object up")?.is_none() {
                let object = serde_json::from_value(document.clone())?;
                api.create(&PostParams::default(), &object).await.context("creating an object")?;
            }
            self.patch_status(kind, &document["status"]).await?;
        }
        Ok(())
    }

    fn pipelines(&self) -> Api<MetricPipeline> {
        Api::all(self.client.clone())
    }

    fn find(&self, kind: &str) -> anyhow::Result<(Api<DynamicObject>, String)> {
        let document = self.documents.iter().find(|document| document["kind"] == kind);
        let document = document.with_context(|| format!("the seed has no {kind}"))?;
        let plural = self.plurals.iter().find(|(own, _)| own == kind).map(|(_, plural)| plural);
        let plural = plural.with_context(|| format!("the seed has no definition of {kind}"))?;
        let api_version = document["apiVersion"].as_str().unwrap_or_default();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        let name = document["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        Ok((Api::namespaced_with(self.client.clone(), NAMESPACE, &resource), name))
    }
}

async fn client(kubeconfig: &std::path::Path) -> anyhow::Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).context("reading the kubeconfig")?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Client::try_from(config).context("making a client")
}

fn yaml(text: &str) -> anyhow::Result<Vec<Value>> {
    serde_saphyr::from_multiple(text).context("reading the seed")
}
