//! The `MetricPipeline`s of the cluster, as they are now.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use kube::api::{Api, DynamicObject};
use kube::discovery::ApiResource;
use kube::{Client, Resource, ResourceExt};
use pipeline_api::{
    CrdOwner, MetricPipeline, MetricPipelineSpec, MetricPipelineStatus, recognise, served_versions,
};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::follow::{Event, Failure, Follow};
use crate::gates::Gates;
use crate::refusal::{Refusal, TIMEOUT, answer};
use crate::wake::Wake;

/// So often the schema is looked at while it is not ours, and while it is.
const LOOK_FOR_OURS: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// So often what is refused, or what fails, is asked for again.
const REFUSED_AGAIN: Duration = Duration::from_secs(10);
const FAILED_AGAIN: Duration = Duration::from_secs(1);

const GATE: &str = "metricpipelines";

/// A `MetricPipeline` as far as it matters here.
#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    pub(crate) uid: String,
    pub(crate) version: String,
    pub(crate) generation: Option<i64>,
    pub(crate) created: Option<SystemTime>,
    /// Why it cannot be read, if so.
    pub(crate) spec: Result<MetricPipelineSpec, String>,
    pub(crate) status: MetricPipelineStatus,
}

/// All pipelines by name; `None` before the first list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known(Arc<Mutex<Option<BTreeMap<String, Pipeline>>>>);

impl Known {
    pub(crate) fn all(&self) -> Option<BTreeMap<String, Pipeline>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn update(&self, update: impl FnOnce(&mut Option<BTreeMap<String, Pipeline>>)) {
        update(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Follows the pipelines as long as their CRD is ours.
pub(crate) struct Feed {
    pub(crate) client: Client,
    pub(crate) known: Known,
    pub(crate) changed: Wake,
    pub(crate) gates: Arc<Gates>,
    /// Whether it was said that the API server fails.
    pub(crate) failing: AtomicBool,
}

impl Feed {
    fn answered(&self) {
        self.gates.open(GATE);
        if self.failing.swap(false, Ordering::Relaxed) {
            info!("MetricPipelines can be read again");
        }
    }

    pub(crate) async fn run(self) {
        self.gates.close(GATE, "the first list of MetricPipelines");
        let mut said = None;
        loop {
            match owner(&self.client).await {
                Ok(CrdOwner::Ours) => {
                    said = None;
                    tokio::select! {
                        () = self.follow() => {}
                        () = self.until_not_ours() => {}
                    }
                }
                Ok(other) => {
                    self.not_ours(&other, &mut said);
                    sleep(LOOK_FOR_OURS).await;
                }
                Err(refusal) => {
                    self.unanswered(&refusal);
                    sleep(FAILED_AGAIN).await;
                }
            }
        }
    }

    fn not_ours(&self, owner: &CrdOwner, said: &mut Option<&'static str>) {
        let message = owner.message().unwrap_or_default();
        self.gates.note(GATE, message);
        self.known.update(|known| *known = Some(BTreeMap::new()));
        if *said != Some(message) {
            *said = Some(message);
            warn!("{message}");
            self.changed.wake();
        }
    }

    async fn until_not_ours(&self) {
        // One look is not believed: an API server that has just started may not know its CRDs yet.
        let not_ours = async || owner(&self.client).await.is_ok_and(|owner| owner != CrdOwner::Ours);
        loop {
            sleep(LOOK_AGAIN).await;
            if not_ours().await {
                sleep(LOOK_FOR_OURS).await;
                if not_ours().await {
                    return;
                }
            }
        }
    }

    async fn follow(&self) {
        // As it comes: one that cannot be read must not hide the others.
        let api: Api<DynamicObject> =
            Api::all_with(self.client.clone(), &ApiResource::erase::<MetricPipeline>(&()));
        let mut events = Follow::all(api);
        let mut listed = BTreeMap::new();
        loop {
            match events.next().await {
                Ok(Event::ListBegun) => listed.clear(),
                Ok(Event::Listed(objects)) => listed.extend(objects.into_iter().map(read)),
                Ok(Event::ListDone) => {
                    info!(pipelines = listed.len(), "MetricPipelines listed");
                    let listed = std::mem::take(&mut listed);
                    self.change(|pipelines| *pipelines = listed);
                }
                Ok(Event::Watching) => self.answered(),
                Ok(Event::Applied(object)) => {
                    let (name, pipeline) = read(object);
                    self.change(|pipelines| {
                        pipelines.insert(name, pipeline);
                    });
                }
                Ok(Event::Deleted(object)) => self.change(|pipelines| {
                    pipelines.remove(&object.name_any());
                }),
                Err(failure) => sleep(self.failed(&failure)).await,
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Pipeline>)) {
        self.answered();
        self.known.update(|known| change(known.get_or_insert_default()));
        self.changed.wake();
    }

    fn failed(&self, failure: &Failure) -> Duration {
        match &failure.refusal {
            Refusal::Forbidden(text) => {
                self.gates.note(GATE, format!("MetricPipelines may not be read: {text}"));
                REFUSED_AGAIN
            }
            // Gone, or about to come: the schema tells.
            Refusal::NotFound(_) => REFUSED_AGAIN,
            refusal => {
                self.unanswered(refusal);
                FAILED_AGAIN
            }
        }
    }

    fn unanswered(&self, refusal: &Refusal) {
        if !self.failing.swap(true, Ordering::Relaxed) {
            warn!(error = %refusal, "MetricPipelines cannot be read; trying again");
        }
        if refusal.is_answer() {
            self.gates.note(GATE, format!("MetricPipelines cannot be read, trying again: {refusal}"));
        } else {
            self.gates.close(GATE, format!("the API server: {refusal}"));
        }
    }
}

/// Whose CRD the API server serves.
async fn owner(client: &Client) -> Result<CrdOwner, Refusal> {
    let index = get(client, "/openapi/v3".to_owned()).await?;
    let mut documents = BTreeMap::new();
    for version in served_versions(&index) {
        let path = format!("/openapi/v3/apis/{}/{version}", MetricPipeline::group(&()));
        match get(client, path).await {
            Ok(document) => {
                documents.insert(version, document);
            }
            // The index may be ahead of, or behind, the documents.
            Err(Refusal::NotFound(_)) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(recognise(&documents))
}

async fn get(client: &Client, path: String) -> Result<Value, Refusal> {
    let request = http::Request::get(path).header(http::header::ACCEPT, "application/json").body(Vec::new());
    match request {
        Ok(request) => answer(client.request(request), TIMEOUT).await,
        Err(error) => Err(Refusal::Unanswered(error.to_string())),
    }
}

#[derive(Deserialize)]
struct Parts {
    spec: MetricPipelineSpec,
}

fn read(object: DynamicObject) -> (String, Pipeline) {
    let name = object.name_any();
    let spec = Parts::deserialize(&object.data).map(|parts| parts.spec).map_err(|error| error.to_string());
    let status = object.data.get("status").cloned().unwrap_or_default();
    let created = object.metadata.creation_timestamp.map(|time| SystemTime::from(time.0));
    let pipeline = Pipeline {
        uid: object.metadata.uid.unwrap_or_default(),
        version: object.metadata.resource_version.unwrap_or_default(),
        generation: object.metadata.generation,
        created,
        spec,
        status: serde_json::from_value(status).unwrap_or_default(),
    };
    (name, pipeline)
}
