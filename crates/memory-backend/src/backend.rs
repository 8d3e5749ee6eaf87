//! The backend itself.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use futures::Stream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;

use crate::fault::Faults;
use crate::lock::locked;
use crate::point::Point;
use crate::record::Request;
use crate::server::{Port, Running};
use crate::shared::{Settings, Shared};
use crate::tls::{Tls, TlsError};
use crate::view::View;

/// The limit of a default gRPC receiver: 4 MiB.
const MESSAGE_LIMIT: usize = 4 * 1024 * 1024;

/// A backend to be started; made by [`Backend::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    port: u16,
    tls: Option<Tls>,
    settings: Settings,
}

impl Builder {
    /// Listens on this port of 127.0.0.1 rather than on a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Speaks TLS only.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Takes OTLP/HTTP on this path too, beside `/v1/metrics`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.settings.paths.push(path.into());
        self
    }

    /// The largest message it takes, in bytes after decompression; 4 MiB if not given.
    pub fn message_limit(mut self, bytes: usize) -> Self {
        self.settings.message_limit = bytes;
        self
    }

    /// Refuses, as Prometheus does, all of a request in which any point breaks the order of its series.
    pub fn strict(mut self) -> Self {
        self.settings.strict = true;
        self
    }

    /// Remembers only the last requests, for benches that run long; all if not given. What it shows and the
    /// violations do not depend on it.
    pub fn remember(mut self, requests: usize) -> Self {
        self.settings.remembered = requests;
        self
    }

    /// Starts it. It runs on the tokio runtime of the caller until it is stopped or dropped.
    pub async fn start(self) -> Result<Backend, StartError> {
        let tls = self.tls.as_ref().map(Tls::acceptor).transpose().map_err(StartError::Tls)?;
        let port = Port::hold(self.port).map_err(|source| StartError::Listen { port: self.port, source })?;
        let shared = Arc::new(Shared::new(self.settings));
        let backend = Backend { shared, port, tls, running: Mutex::new(None) };
        backend.restart().await?;
        Ok(backend)
    }
}

/// A backend that could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The port cannot be had.
    #[error("listen on port {port} of 127.0.0.1")]
    Listen {
        /// The port, 0 for any.
        port: u16,
        /// The cause.
        source: io::Error,
    },
    /// The TLS settings cannot be used.
    #[error("set up TLS")]
    Tls(#[source] TlsError),
}

/// An OTLP metrics receiver on a port of 127.0.0.1 that remembers everything it gets.
///
/// Dropped, it stops.
pub struct Backend {
    shared: Arc<Shared>,
    port: Port,
    tls: Option<TlsAcceptor>,
    running: Mutex<Option<Running>>,
}

impl Backend {
    /// A backend with plain text on a free port, to be changed by the builder's methods.
    pub fn builder() -> Builder {
        let settings = Settings {
            paths: vec!["/v1/metrics".to_owned()],
            message_limit: MESSAGE_LIMIT,
            strict: false,
            remembered: usize::MAX,
        };
        Builder { port: 0, tls: None, settings }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The endpoint for an exporter, `http://127.0.0.1:4317` for instance, or `https` under TLS.
    pub fn endpoint(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address())
    }

    /// Closes the listener and every connection. The port stays reserved, and connecting to it is refused.
    pub async fn stop(&self) {
        let running = locked(&self.running).take();
        if let Some(running) = running {
            running.stop().await;
        }
    }

    /// Listens again on the same port, with everything it remembers; stops first if it still listens.
    pub async fn restart(&self) -> Result<(), StartError> {
        self.stop().await;
        let port = self.address().port();
        let listener = self.port.listen().map_err(|source| StartError::Listen { port, source })?;
        let running = Running::start(listener, self.tls.clone(), Arc::clone(&self.shared));
        *locked(&self.running) = Some(running);
        Ok(())
    }

    /// Faults on demand.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// From now on refuses (401, `UNAUTHENTICATED`) what lacks this header or metadata entry; the name in
    /// lower case. A second call with the same name changes the value.
    pub fn require_header(&self, name: impl Into<String>, value: impl Into<String>) {
        locked(&self.shared.required_headers).insert(name.into(), value.into());
    }

    /// What it shows now.
    pub fn view(&self) -> Arc<View> {
        self.shared.view()
    }

    /// Every request so far, refused ones included, in the order of their arrival.
    pub fn requests(&self) -> Vec<Arc<Request>> {
        self.view().requests().to_vec()
    }

    /// The points that were taken, in the order of their arrival.
    pub fn points(&self) -> Vec<Arc<Point>> {
        self.view().points().cloned().collect()
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections()
    }

    /// Why TLS handshakes failed, in order.
    pub fn failed_handshakes(&self) -> Vec<String> {
        locked(&self.shared.failed_handshakes).clone()
    }

    /// Forgets requests, points and violations, like a new backend behind the same port.
    pub fn forget(&self) {
        self.shared.forget();
    }

    /// The requests that arrive from now on.
    pub fn subscribe(&self) -> Subscription {
        Subscription { arrived: self.shared.subscribe() }
    }

    /// Waits until `wanted` is true of the view, and gives that view. It is asked at once, and again after
    /// each arrival and each failed handshake. The timeout is on tokio's clock: where the caller pauses that,
    /// it passes while a real socket is waited for.
    pub async fn wait_for(
        &self,
        mut wanted: impl FnMut(&View) -> bool,
        within: Duration,
    ) -> Result<Arc<View>, NotSeen> {
        let mut arrivals = self.shared.arrivals();
        let deadline = Instant::now() + within;
        loop {
            arrivals.mark_unchanged();
            let view = self.view();
            if wanted(&view) {
                return Ok(view);
            }
            if timeout_at(deadline, arrivals.changed()).await.is_err() {
                return Err(NotSeen { within, view });
            }
        }
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("endpoint", &self.endpoint()).finish_non_exhaustive()
    }
}

/// Something that was waited for and did not come. Its `Debug` is readable, as tests unwrap it.
#[derive(thiserror::Error)]
#[error("not seen within {within:?}; the backend has {view}")]
pub struct NotSeen {
    within: Duration,
    /// What the backend showed at the end.
    pub view: Arc<View>,
}

impl fmt::Debug for NotSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Newly arrived requests, none left out. It ends when the backend is dropped.
#[derive(Debug)]
pub struct Subscription {
    arrived: mpsc::UnboundedReceiver<Arc<Request>>,
}

impl Subscription {
    /// The next request.
    pub async fn next(&mut self) -> Option<Arc<Request>> {
        self.arrived.recv().await
    }
}

impl Stream for Subscription {
    type Item = Arc<Request>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.arrived.poll_recv(context)
    }
}
