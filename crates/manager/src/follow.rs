//! One resource kind: list once, then watch.
//!
//! kube's `watcher` does this too, but does not say when a watch that had failed is open again, so that a condition could
//! not tell a recovery; docs/adr/0001.

use std::time::Duration;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use kube::api::{Api, ListParams, WatchParams};
use kube::core::WatchEvent;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};

use crate::refusal::{Refusal, TIMEOUT, answer};

/// So many objects come in one answer to a list, and are in memory whole at a time.
const PAGE: u32 = 500;
/// For so long the API server keeps a watch open.
const WATCH_SECONDS: u32 = 290;
/// The API server sends a bookmark about once a minute; a watch that is silent for longer is taken for dead.
const SILENCE: Duration = Duration::from_secs(100);
/// A watch that ends sooner than this is not opened again at once.
const SHORTEST: Duration = Duration::from_secs(1);

/// What happens to the objects of a kind.
#[derive(Debug)]
pub(crate) enum Event<K> {
    /// A list begins. What is known stays true until it is done.
    ListBegun,
    /// Some objects of the list.
    Listed(Vec<K>),
    /// The list is complete: what is not in it does not exist.
    ListDone,
    /// The watch is open, for the first time or again.
    Watching,
    /// An object is new or has changed.
    Applied(K),
    /// An object was deleted.
    Deleted(K),
}

/// Why no event came; [`Follow::next`] tries again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{refusal}")]
pub(crate) struct Failure {
    /// What was asked: `list` or `watch`.
    pub(crate) verb: &'static str,
    pub(crate) refusal: Refusal,
}

/// Follows the objects of one kind.
pub(crate) struct Follow<K> {
    api: Api<K>,
    fields: Option<String>,
    state: State<K>,
}

type Events<K> = BoxStream<'static, kube::Result<WatchEvent<K>>>;

enum State<K> {
    Start,
    Listing {
        next_page: Option<String>,
    },
    LastPage {
        version: String,
    },
    Listed {
        version: String,
    },
    /// The API server has answered; an error may still follow at once.
    Opened {
        version: String,
        events: Events<K>,
        since: Instant,
    },
    Watching {
        version: String,
        events: Events<K>,
        since: Instant,
    },
}

/// The next state, and what to tell, if anything.
type Step<K> = (State<K>, Option<Result<Event<K>, Failure>>);

impl<K> Follow<K>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    /// All objects behind `api`.
    pub(crate) fn all(api: Api<K>) -> Self {
        Self { api, fields: None, state: State::Start }
    }

    /// The one object of this name.
    pub(crate) fn one(api: Api<K>, name: &str) -> Self {
        Self { api, fields: Some(format!("metadata.name={name}")), state: State::Start }
    }

    /// The same from the beginning: a list comes next.
    pub(crate) fn again(self) -> Self {
        Self { state: State::Start, ..self }
    }

    /// The next event. After an error the caller waits as long as it thinks right, and calls again.
    ///
    /// Not to be dropped before it is done: the list would begin again.
    pub(crate) async fn next(&mut self) -> Result<Event<K>, Failure> {
        loop {
            let (state, told) = self.step().await;
            self.state = state;
            if let Some(told) = told {
                return told;
            }
        }
    }

    async fn step(&mut self) -> Step<K> {
        match std::mem::replace(&mut self.state, State::Start) {
            State::Start => (State::Listing { next_page: None }, Some(Ok(Event::ListBegun))),
            State::Listing { next_page } => self.list(next_page).await,
            State::LastPage { version } => (State::Listed { version }, Some(Ok(Event::ListDone))),
            State::Listed { version } => self.watch(version).await,
            State::Opened { version, events, since } => opened(version, events, since).await,
            State::Watching { version, events, since } => watched(version, events, since, SILENCE).await,
        }
    }

    async fn list(&mut self, next_page: Option<String>) -> Step<K> {
        let params = ListParams {
            field_selector: self.fields.clone(),
            limit: Some(PAGE),
            continue_token: next_page,
            ..ListParams::default()
        };
        match answer(self.api.list(&params), 3 * TIMEOUT).await {
            Ok(page) => {
                let next_page = page.metadata.continue_.filter(|token| !token.is_empty());
                let state = match next_page {
                    Some(next_page) => State::Listing { next_page: Some(next_page) },
                    None => State::LastPage { version: page.metadata.resource_version.unwrap_or_default() },
                };
                (state, Some(Ok(Event::Listed(page.items))))
            }
            Err(refusal) => (State::Start, Some(Err(Failure { verb: "list", refusal }))),
        }
    }

    async fn watch(&mut self, version: String) -> Step<K> {
        let params = WatchParams {
            field_selector: self.fields.clone(),
            timeout: Some(WATCH_SECONDS),
            bookmarks: true,
            ..WatchParams::default()
        };
        match answer(self.api.watch(&params, &version), TIMEOUT).await {
            Ok(events) => {
                let events = events.into_stream().boxed();
                (State::Opened { version, events, since: Instant::now() }, None)
            }
            Err(refusal) => failed(version, refusal),
        }
    }
}

/// Waits for a sign that the watch works: an event, or that no error comes for a moment.
async fn opened<K: Resource>(version: String, events: Events<K>, since: Instant) -> Step<K> {
    match watched(version, events, since, SHORTEST).await {
        (State::Watching { version, events, since }, None) => {
            (State::Watching { version, events, since }, Some(Ok(Event::Watching)))
        }
        step => step,
    }
}

async fn watched<K: Resource>(
    version: String,
    mut events: Events<K>,
    since: Instant,
    silence: Duration,
) -> Step<K> {
    let of = |object: &K| object.resource_version().unwrap_or_else(|| version.clone());
    match timeout(silence, events.next()).await {
        Ok(Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)))) => {
            (State::Watching { version: of(&object), events, since }, Some(Ok(Event::Applied(object))))
        }
        Ok(Some(Ok(WatchEvent::Deleted(object)))) => {
            (State::Watching { version: of(&object), events, since }, Some(Ok(Event::Deleted(object))))
        }
        Ok(Some(Ok(WatchEvent::Bookmark(bookmark)))) => {
            (State::Watching { version: bookmark.metadata.resource_version, events, since }, None)
        }
        Ok(Some(Ok(WatchEvent::Error(status)))) => failed(version, Refusal::from(&*status)),
        Ok(Some(Err(error))) => failed(version, Refusal::from(&error)),
        Err(_) if silence < SILENCE => (State::Watching { version, events, since }, None),
        Ok(None) | Err(_) => {
            if since.elapsed() < SHORTEST {
                sleep(SHORTEST).await;
            }
            (State::Listed { version }, None)
        }
    }
}

/// The watch goes on where it was, unless the API server does not remember that far back.
fn failed<K>(version: String, refusal: Refusal) -> Step<K> {
    let state = match refusal {
        Refusal::Gone(_) => State::Start,
        _ => State::Listed { version },
    };
    (state, Some(Err(Failure { verb: "watch", refusal })))
}
