//! The log of requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::{path::Attributes, selection::Selection};

/// One request as it came in, whatever was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query as sent; empty where there is none.
    pub query: String,
    /// The `User-Agent`; empty where there is none.
    pub user_agent: String,
    /// What it asks for; `None` for discovery, schemas and the like.
    pub attributes: Option<Attributes>,
}

/// All requests since the start or the last [`clear`](Requests::clear); clones are handles to the same log.
#[derive(Debug, Clone)]
pub struct Requests {
    log: Arc<Mutex<Vec<Request>>>,
    length: watch::Sender<usize>,
}

impl Requests {
    pub(crate) fn new() -> Self {
        Self { log: Arc::default(), length: watch::Sender::new(0) }
    }

    pub(crate) fn record(&self, request: Request) {
        let length = {
            let mut log = self.lock();
            log.push(request);
            log.len()
        };
        self.length.send_replace(length);
    }

    /// Every request, oldest first.
    pub fn all(&self) -> Vec<Request> {
        self.lock().clone()
    }

    /// How many requests are among those selected.
    pub fn count(&self, selection: &Selection) -> usize {
        let selected = |request: &&Request| request.attributes.as_ref().is_some_and(|a| selection.matches(a));
        self.lock().iter().filter(selected).count()
    }

    /// Waits until so many requests are among those selected. A request counts from when it comes in.
    pub async fn until(&self, selection: &Selection, count: usize) {
        let mut length = self.length.subscribe();
        while self.count(selection) < count {
            if length.changed().await.is_err() {
                return;
            }
        }
    }

    /// Empties the log.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Request>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
