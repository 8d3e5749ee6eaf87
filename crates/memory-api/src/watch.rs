//! One watch: from a revision onwards, line by line.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::{
    sync::watch::Receiver,
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until},
};

use crate::{
    api::MemoryApi,
    body::ConnectionCut,
    cluster::Cluster,
    failure::Failure,
    kind::Origin,
    render::Form,
    selector::Selector,
    storage::{Change, Compacted},
    watches::{Interrupt, OpenWatch},
};

/// How often a quiet watch gets a bookmark, as in the real API server.
const BOOKMARK: Duration = Duration::from_mins(1);

/// What a watch request asks for.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) form: Form,
    pub(crate) selector: Selector,
    pub(crate) start: Start,
    pub(crate) bookmarks: bool,
    pub(crate) timeout: Duration,
}

/// Where a watch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// After a revision.
    After(u64),
    /// With the present state.
    Present,
    /// With the present state, and a bookmark that says where it ends.
    Announced,
}

/// The state of an open watch between two chunks.
struct Watch {
    api: MemoryApi,
    open: OpenWatch,
    request: Request,
    revisions: Receiver<u64>,
    position: u64,
    started: bool,
    deadline: Instant,
    bookmarks: Interval,
}

/// What there is to send at this moment.
enum Pulled {
    Nothing,
    Lines(String),
    /// The last lines of a watch whose kind is no longer there, or not as it was.
    Last(String),
}

/// The lines of a watch; it counts as open from now on.
pub(crate) fn lines(
    api: &MemoryApi,
    open: OpenWatch,
    request: Request,
) -> impl Stream<Item = Result<Bytes, ConnectionCut>> + Send + use<> {
    let now = Instant::now();
    let mut bookmarks = interval_at(now + BOOKMARK, BOOKMARK);
    bookmarks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watch = Watch {
        revisions: api.revisions(),
        position: match request.start {
            Start::After(revision) => revision,
            Start::Present | Start::Announced => 0,
        },
        started: matches!(request.start, Start::After(_)),
        deadline: now + request.timeout,
        api: api.clone(),
        bookmarks,
        open,
        request,
    };
    stream::unfold(Some(watch), step).flat_map(stream::iter)
}

/// An `ERROR` event and nothing else.
pub(crate) fn refused(failure: &Failure) -> impl Stream<Item = Result<Bytes, ConnectionCut>> + Send + use<> {
    let line = error(failure);
    stream::once(async { Ok(line.into()) })
}

type Chunks = Vec<Result<Bytes, ConnectionCut>>;

/// Waits for the next chunks. Without a watch in return it was the end.
async fn step(watch: Option<Watch>) -> Option<(Chunks, Option<Watch>)> {
    let mut watch = watch?;
    loop {
        match watch.pull() {
            Ok(Pulled::Nothing) => {}
            Ok(Pulled::Lines(lines)) => return Some((vec![Ok(lines.into())], Some(watch))),
            Ok(Pulled::Last(lines)) => return Some((vec![Ok(lines.into())], None)),
            Err(Compacted { requested, oldest }) => {
                let line = error(&Failure::expired(requested, oldest));
                return Some((vec![Ok(line.into())], None));
            }
        }
        if let Some((chunks, next)) = watch.wait().await {
            return Some((chunks, next.then_some(watch)));
        }
    }
}

impl Watch {
    /// Waits until there may be something to pull, or returns what happened instead and whether the watch goes on.
    async fn wait(&mut self) -> Option<(Chunks, bool)> {
        tokio::select! {
            biased;
            Some(interrupt) = self.open.interrupts.recv() => match interrupt {
                Interrupt::Cut => Some((vec![Ok(self.half_a_line().into()), Err(ConnectionCut)], false)),
                Interrupt::End => Some((Vec::new(), false)),
                Interrupt::Gone => Some((vec![Ok(error(&Failure::expired(self.position, self.position)).into())], false)),
                Interrupt::Freeze => std::future::pending().await,
            },
            _ = self.revisions.changed() => None,
            () = sleep_until(self.deadline) => Some((self.bookmark(), false)),
            _ = self.bookmarks.tick() => Some((self.bookmark(), true)),
        }
    }

    fn bookmark(&self) -> Chunks {
        if !self.request.bookmarks {
            return Vec::new();
        }
        vec![Ok(line(&self.request.form.bookmark(self.position, &Value::Null)).into())]
    }

    fn half_a_line(&self) -> String {
        let mut whole = line(&self.request.form.bookmark(self.position, &Value::Null));
        whole.truncate(whole.len() / 2);
        whole
    }

    /// The lines for everything that happened since the last pull.
    fn pull(&mut self) -> Result<Pulled, Compacted> {
        let api = self.api.clone();
        api.read(|cluster| {
            let mut lines = String::new();
            if self.started {
                for change in cluster.storage.changes_after(self.position)? {
                    self.change(change, &mut lines);
                }
            } else {
                self.present(cluster, &mut lines);
            }
            self.started = true;
            // A watch may begin after a revision that is still to come.
            self.position = self.position.max(cluster.storage.revision());
            Ok(match lines.as_str() {
                _ if !self.is_served(cluster) => Pulled::Last(lines),
                "" => Pulled::Nothing,
                _ => Pulled::Lines(lines),
            })
        })
    }

    fn present(&self, cluster: &Cluster, lines: &mut String) {
        let Request { form, selector, start, bookmarks, .. } = &self.request;
        let objects = cluster.storage.list(&form.kind.id);
        for (_, object) in objects.filter(|(key, object)| selector.matches(key, object)) {
            let revision = object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok());
            *lines += &line(&form.event("ADDED", object, revision.unwrap_or_default()));
        }
        if *start == Start::Announced && *bookmarks {
            let end = json!({"k8s.io/initial-events-end": "true"});
            *lines += &line(&form.bookmark(cluster.storage.revision(), &end));
        }
    }

    /// The event of one change, if any: an object that leaves the selection is deleted for this watch.
    fn change(&self, change: &Change, lines: &mut String) {
        let Request { form, selector, .. } = &self.request;
        if change.resource != form.kind.id {
            return;
        }
        let selected = |object: &Option<_>| {
            object.clone().filter(|object: &std::sync::Arc<Value>| selector.matches(&change.key, object))
        };
        let event = match (selected(&change.before), selected(&change.after)) {
            (None, Some(now)) => form.event("ADDED", &now, change.revision),
            (Some(_), Some(now)) => form.event("MODIFIED", &now, change.revision),
            (Some(was), None) => form.event("DELETED", &was, change.revision),
            (None, None) => return,
        };
        *lines += &line(&event);
    }

    /// Whether the kind is still what it was when the watch was opened.
    fn is_served(&self, cluster: &Cluster) -> bool {
        let kind = &self.request.form.kind;
        let now = cluster.registry.get(&kind.id).map(|now| &now.origin);
        now == Some(&kind.origin) || kind.origin == Origin::BuiltIn
    }
}

/// The type comes first, as the real API server has it: a client that does not know it yet has to keep the whole object.
fn line(event: &Value) -> String {
    format!("{{\"type\":{},\"object\":{}}}\n", event["type"], event["object"])
}

fn error(failure: &Failure) -> String {
    line(&json!({"type": "ERROR", "object": failure.to_status()}))
}
