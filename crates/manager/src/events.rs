//! Kubernetes Events: what happens to a pipeline, for people who look at it with kubectl.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};
use pipeline_api::MetricPipeline;
use tokio::sync::mpsc;
use tracing::debug;

use crate::names::NAME;
use crate::refusal::{TIMEOUT, answer};
use crate::term::Term;

/// The API server takes no longer note.
const NOTE: usize = 1024;

/// Something to tell of a pipeline.
#[derive(Debug)]
pub(crate) struct News {
    /// In which it happened.
    pub(crate) term: Term,
    pub(crate) pipeline: String,
    pub(crate) uid: String,
    pub(crate) is_problem: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// Tells until it is dropped. What cannot be told is lost: the condition says the same.
pub(crate) async fn run(client: Client, instance: String, mut news: mpsc::Receiver<News>) {
    let reporter = Reporter { controller: NAME.to_owned(), instance: Some(instance) };
    let recorder = Recorder::new(client, reporter);
    while let Some(news) = news.recv().await {
        let Some(left) = news.term.time_left() else { continue };
        let (event, about) = event(&news);
        if let Err(error) = answer(recorder.publish(&event, &about), left.min(TIMEOUT)).await {
            debug!(pipeline = news.pipeline, %error, "Event not written");
        }
    }
    // Nothing more happens to pipelines, as at a shutdown.
    std::future::pending::<()>().await;
}

fn event(news: &News) -> (Event, ObjectReference) {
    let about = ObjectReference {
        api_version: Some(MetricPipeline::api_version(&()).into_owned()),
        kind: Some(MetricPipeline::kind(&()).into_owned()),
        name: Some(news.pipeline.clone()),
        uid: Some(news.uid.clone()),
        ..ObjectReference::default()
    };
    let note = &news.message[..news.message.floor_char_boundary(NOTE)];
    let event = Event {
        type_: if news.is_problem { EventType::Warning } else { EventType::Normal },
        reason: news.reason.clone(),
        note: Some(note.to_owned()),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    (event, about)
}
