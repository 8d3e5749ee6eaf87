//! The manager's own metrics by OTLP, where the variables of the OpenTelemetry specification ask for it:
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::{MetricExporter, WithHttpConfig};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

use crate::export::connector;
use crate::telemetry::Telemetry;

/// Without this, or that of metrics alone, nothing is pushed.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const METRICS_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const METRICS_PROTOCOL: &str = "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL";
const INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";

const DEFAULT_INTERVAL: Duration = Duration::from_mins(1);
/// How long the last push may take.
const LAST: Duration = Duration::from_secs(2);
/// How long a backend may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Pushes at an interval.
pub(crate) struct Push {
    exporter: MetricExporter,
    every: Duration,
}

impl Push {
    /// As the environment says; `None` if it says nothing.
    pub(crate) fn from_environment() -> anyhow::Result<Option<Self>> {
        if variable(METRICS_ENDPOINT).or_else(|| variable(ENDPOINT)).is_none() {
            return Ok(None);
        }
        let every = match variable(INTERVAL) {
            None => DEFAULT_INTERVAL,
            Some(text) => match text.parse() {
                Ok(ms) if ms > 0 => Duration::from_millis(ms),
                _ => bail!("{INTERVAL}: not a number of milliseconds above 0"),
            },
        };
        Ok(Some(Self { exporter: exporter()?, every }))
    }

    /// Pushes until `stop`, and once more then.
    pub(crate) async fn run(self, telemetry: Arc<Telemetry>, stop: impl Future<Output = ()>) {
        info!(every = ?self.every, "Pushing the manager's own metrics");
        let mut stop = std::pin::pin!(stop);
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = async {
                    ticks.tick().await;
                    failing = self.push(&telemetry, failing).await;
                } => {}
            }
        }
        // Once more, but nothing waits for it for long.
        let _ = timeout(LAST, self.push(&telemetry, failing)).await;
    }

    /// Tells whether it failed.
    async fn push(&self, telemetry: &Telemetry, failing: bool) -> bool {
        let result = self.exporter.export(&telemetry.collect()).await;
        if let (Err(error), false) = (&result, failing) {
            warn!(%error, "The manager's own metrics cannot be pushed; trying again");
        }
        result.is_err()
    }
}

fn exporter() -> anyhow::Result<MetricExporter> {
    let protocol = variable(METRICS_PROTOCOL).or_else(|| variable(PROTOCOL));
    let built = match protocol.as_deref() {
        None | Some("http/protobuf") => {
            let client = HyperClient::new(connector()?, ANSWER, None);
            MetricExporter::builder().with_http().with_http_client(client).build()
        }
        Some("grpc") => MetricExporter::builder().with_tonic().build(),
        Some(other) => bail!("{PROTOCOL}: {other:?} is not supported; use grpc or http/protobuf"),
    };
    built.context("setting up the push of the manager's own metrics (OTEL_EXPORTER_OTLP_*)")
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
