//! Writes the statuses of pipelines, each until it is written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Client, Resource};
use pipeline_api::{MetricPipeline, MetricPipelineStatus};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::gates::Gates;
use crate::names::FIELD_MANAGER;
use crate::refusal::{Refusal, TIMEOUT, answer};
use crate::term::Term;

/// So soon what could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(2);

const GATE: &str = "status";

/// A status to write.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    /// What was there when it was decided, so that the same status is written again if somebody else changed it.
    pub(crate) seen: String,
    pub(crate) status: MetricPipelineStatus,
    /// In which term.
    pub(crate) term: Term,
}

impl PartialEq for Write {
    fn eq(&self, other: &Self) -> bool {
        self.seen == other.seen && self.status == other.status && self.term.is(&other.term)
    }
}

/// By the name of the pipeline.
pub(crate) type Writes = BTreeMap<String, Write>;

/// Writes until it is dropped.
pub(crate) async fn run(client: Client, gates: Arc<Gates>, mut writes: watch::Receiver<Writes>) {
    // The answer is not read as a pipeline: one that has another form has a status all the same.
    let pipelines: Api<DynamicObject> = Api::all_with(client, &ApiResource::erase::<MetricPipeline>(&()));
    let mut written = Writes::new();
    loop {
        let wanted = writes.borrow_and_update().clone();
        written.retain(|name, _| wanted.contains_key(name));
        if wanted.is_empty() {
            gates.open(GATE);
        }
        let mut failed = false;
        for (name, write) in &wanted {
            if written.get(name) == Some(write) {
                continue;
            }
            let Some(left) = write.term.time_left() else {
                failed = true;
                continue;
            };
            match apply(&pipelines, name, &write.status, left.min(TIMEOUT)).await {
                Ok(()) => {
                    gates.open(GATE);
                    written.insert(name.clone(), write.clone());
                }
                Err(refusal) => {
                    failed = true;
                    tell(&gates, name, &refusal);
                }
            }
        }
        let again = async { if failed { sleep(AGAIN).await } else { std::future::pending().await } };
        tokio::select! {
            () = news(&mut writes) => {}
            () = again => {}
        }
    }
}

/// Waits for other writes; for ever once nothing more is decided, as at a shutdown.
async fn news(writes: &mut watch::Receiver<Writes>) {
    if writes.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn tell(gates: &Gates, name: &str, refusal: &Refusal) {
    match refusal {
        Refusal::Forbidden(text) => {
            gates.note(GATE, format!("the status of MetricPipelines may not be written: {text}"));
            debug!(pipeline = name, error = text, "Status not written");
        }
        refusal => warn!(pipeline = name, error = %refusal, "Status not written; trying again"),
    }
}

async fn apply(
    pipelines: &Api<DynamicObject>,
    name: &str,
    status: &MetricPipelineStatus,
    within: Duration,
) -> Result<(), Refusal> {
    let patch = json!({
        "apiVersion": MetricPipeline::api_version(&()),
        "kind": MetricPipeline::kind(&()),
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match answer(pipelines.patch_status(name, &params, &Patch::Apply(patch)), within).await {
        // It was deleted meanwhile.
        Ok(_) | Err(Refusal::NotFound(_)) => Ok(()),
        Err(refusal) => Err(refusal),
    }
}
