//! What all connections of a backend share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use http::StatusCode;
use tokio::sync::{mpsc, watch};
use tonic::Code;

use crate::fault::Faults;
use crate::lock::locked;
use crate::record::Request;
use crate::refusal::Refusal;
use crate::view::View;

/// What was decided before the start.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) paths: Vec<String>,
    pub(crate) message_limit: usize,
    pub(crate) strict: bool,
    /// How many requests are kept.
    pub(crate) remembered: usize,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) faults: Faults,
    pub(crate) required_headers: Mutex<BTreeMap<String, String>>,
    pub(crate) failed_handshakes: Mutex<Vec<String>>,
    connections: AtomicU64,
    received: Mutex<Received>,
    arrivals: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Received {
    view: Arc<View>,
    subscribers: Vec<mpsc::UnboundedSender<Arc<Request>>>,
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            faults: Faults::default(),
            required_headers: Mutex::default(),
            failed_handshakes: Mutex::default(),
            connections: AtomicU64::new(0),
            received: Mutex::default(),
            arrivals: watch::Sender::new(()),
        }
    }

    /// Takes a request into the view and tells those who wait.
    pub(crate) fn record(&self, request: Request) -> Arc<Request> {
        let request = {
            let mut received = locked(&self.received);
            let request = Arc::make_mut(&mut received.view).take(request, &self.settings);
            received.subscribers.retain(|subscriber| subscriber.send(Arc::clone(&request)).is_ok());
            request
        };
        self.arrivals.send_replace(());
        request
    }

    /// Refuses a request that lacks a required header.
    pub(crate) fn admit(&self, request: &Request) -> Result<(), Refusal> {
        let required = locked(&self.required_headers);
        match required.iter().find(|(name, value)| request.header(name) != Some(value)) {
            None => Ok(()),
            Some((name, _)) => {
                let message = format!("the header {name} is not what it should be");
                Err(Refusal::new(Code::Unauthenticated, StatusCode::UNAUTHORIZED, message))
            }
        }
    }

    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&locked(&self.received).view)
    }

    pub(crate) fn forget(&self) {
        locked(&self.received).view = Arc::default();
        self.arrivals.send_replace(());
    }

    pub(crate) fn subscribe(&self) -> mpsc::UnboundedReceiver<Arc<Request>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        locked(&self.received).subscribers.push(sender);
        receiver
    }

    pub(crate) fn arrivals(&self) -> watch::Receiver<()> {
        self.arrivals.subscribe()
    }

    /// Counts a connection and gives its number, from 1.
    pub(crate) fn connected(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn handshake_failed(&self, error: &std::io::Error) {
        locked(&self.failed_handshakes).push(error.to_string());
        self.arrivals.send_replace(());
    }
}
