//! The HTTP server: `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use status_metrics::text::{Format, exposition};
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;

use crate::gates::Gates;
use crate::leader::Terms;
use crate::own_text;
use crate::sources::Watched;
use crate::telemetry::Telemetry;

/// How long answers that are under way may take at a shutdown.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// What is shown.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) gates: Arc<Gates>,
    pub(crate) watched: Watched,
    pub(crate) terms: Terms,
    pub(crate) telemetry: Arc<Telemetry>,
}

impl Admin {
    /// Serves until `stop`.
    pub(crate) async fn run(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let router = Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics).layer(CompressionLayer::new().gzip(true)))
            .with_state(self);
        let stopped = CancellationToken::new();
        let graceful = {
            let stopped = stopped.clone();
            async move {
                stop.await;
                stopped.cancel();
            }
        };
        // A client that reads slowly holds nothing up.
        let late = async {
            stopped.cancelled().await;
            sleep(LAST_ANSWERS).await;
        };
        tokio::select! {
            result = axum::serve(listener, router).with_graceful_shutdown(graceful) => result,
            () = late => Ok(()),
        }
    }
}

async fn ready(State(admin): State<Admin>) -> Response {
    let (ready, page) = admin.gates.report();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, page).into_response()
}

async fn metrics(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let format = negotiated(&headers);
    let mut page = admin.modules(format);
    page.push_str(&own_text::page(&admin.telemetry.collect(), format));
    page.push_str(format.end());
    ([(header::CONTENT_TYPE, format.content_type())], page).into_response()
}

impl Admin {
    /// The series of modules, on the last holder of the Lease only.
    fn modules(&self, format: Format) -> String {
        if self.terms.borrow().is_none() {
            return String::new();
        }
        let snapshots: Vec<_> = self.watched.all().iter().map(|source| source.store.snapshot()).collect();
        let objects = snapshots.iter().flat_map(|snapshot| snapshot.values());
        exposition(objects.map(|object| object.rendered().text()), format)
    }
}

/// `OpenMetrics` to those who ask for it.
fn negotiated(headers: &HeaderMap) -> Format {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let wanted = accepted.flat_map(|value| value.split(',')).any(|media_type| {
        let mut parts = media_type.split(';').map(str::trim);
        let is_open =
            parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/openmetrics-text"));
        is_open && !parts.any(|part| part == "q=0" || part.starts_with("q=0.0") && part.ends_with('0'))
    });
    if wanted { Format::OpenMetrics } else { Format::Prometheus }
}
