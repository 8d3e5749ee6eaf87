//! The manager's own metrics: through the OpenTelemetry SDK, on `/metrics`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, MeterProvider, ObservableGauge};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality};

use crate::families::{
    EXPORT_DELAY, EXPORT_POINTS, LEADER, OwnFamily, PROBLEMS, SCOPE_NAME, WATCH_ERRORS, WATCH_SYNCED,
};

/// Group and plural of a watched kind.
type Kind = (String, String);

/// Records what the manager does.
#[derive(Debug)]
pub(crate) struct Telemetry {
    provider: SdkMeterProvider,
    reader: Arc<ManualReader>,
    leader: Gauge<i64>,
    synced: Arc<Mutex<BTreeMap<Kind, bool>>>,
    _watch_synced: ObservableGauge<i64>,
    watch_errors: Counter<u64>,
    problems: Counter<u64>,
    points: Counter<u64>,
    delay: Histogram<f64>,
}

/// What became of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PointsOutcome {
    /// The backend took them.
    Accepted,
    /// The backend refused them, or they were given up.
    Dropped,
}

impl Telemetry {
    /// Telemetry of the replica `instance`.
    pub(crate) fn new(instance: &str) -> Self {
        let reader = Arc::new(ManualReader::builder().build());
        let resource = Resource::builder_empty()
            .with_service_name("status-manager")
            .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(SharedReader(Arc::clone(&reader)))
            .build();
        let meter = provider.meter(SCOPE_NAME);
        let synced = Arc::default();
        let leader = gauge(&meter, &LEADER);
        leader.record(0, &[]);
        Self {
            leader,
            _watch_synced: watch_synced(&meter, Arc::clone(&synced)),
            synced,
            watch_errors: counter(&meter, &WATCH_ERRORS),
            problems: counter(&meter, &PROBLEMS),
            points: counter(&meter, &EXPORT_POINTS),
            delay: delay(&meter),
            provider,
            reader,
        }
    }

    /// Everything recorded so far.
    pub(crate) fn collect(&self) -> ResourceMetrics {
        let mut metrics = ResourceMetrics::default();
        // It fails only after a shutdown, and then there is nothing to show.
        let _ = self.reader.collect(&mut metrics);
        metrics
    }

    /// Whether this replica leads.
    pub(crate) fn leader(&self, leads: bool) {
        self.leader.record(i64::from(leads), &[]);
    }

    /// Whether the watch of a kind is in sync.
    pub(crate) fn watch_synced(&self, group: &str, kind: &str, synced: bool) {
        self.synced().insert((group.to_owned(), kind.to_owned()), synced);
    }

    /// A kind is not watched any more.
    pub(crate) fn watch_ended(&self, group: &str, kind: &str) {
        self.synced().remove(&(group.to_owned(), kind.to_owned()));
    }

    /// A list or watch failed.
    pub(crate) fn watch_error(&self, group: &str, kind: &str, reason: &'static str) {
        self.watch_errors.add(1, &of_kind(group, kind, Some(reason)));
    }

    /// A part of an object could not be read.
    pub(crate) fn problem(&self, group: &str, kind: &str, reason: &'static str) {
        self.problems.add(1, &of_kind(group, kind, Some(reason)));
    }

    /// Points were sent, or dropped.
    pub(crate) fn points(&self, pipeline: &str, outcome: PointsOutcome, points: usize) {
        let outcome = match outcome {
            PointsOutcome::Accepted => "accepted",
            PointsOutcome::Dropped => "dropped",
        };
        let attributes = [KeyValue::new("pipeline", pipeline.to_owned()), KeyValue::new("outcome", outcome)];
        self.points.add(u64::try_from(points).unwrap_or(u64::MAX), &attributes);
    }

    /// So long after a change it was sent.
    pub(crate) fn delay(&self, pipeline: &str, delay: Duration) {
        self.delay.record(delay.as_secs_f64(), &[KeyValue::new("pipeline", pipeline.to_owned())]);
    }

    fn synced(&self) -> std::sync::MutexGuard<'_, BTreeMap<Kind, bool>> {
        self.synced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        // Nothing is left to flush: metrics are collected, not pushed.
        let _ = self.provider.shutdown();
    }
}

fn of_kind(group: &str, kind: &str, reason: Option<&'static str>) -> Vec<KeyValue> {
    let mut attributes =
        vec![KeyValue::new("group", group.to_owned()), KeyValue::new("kind", kind.to_owned())];
    attributes.extend(reason.map(|reason| KeyValue::new("reason", reason)));
    attributes
}

fn gauge(meter: &Meter, family: &OwnFamily) -> Gauge<i64> {
    meter.i64_gauge(family.name).with_description(family.help).with_unit(family.unit).build()
}

fn counter(meter: &Meter, family: &OwnFamily) -> Counter<u64> {
    meter.u64_counter(family.name).with_description(family.help).with_unit(family.unit).build()
}

fn delay(meter: &Meter) -> Histogram<f64> {
    let OwnFamily { name, help, unit, .. } = EXPORT_DELAY;
    let histogram = meter.f64_histogram(name).with_description(help).with_unit(unit);
    let boundaries = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
    histogram.with_boundaries(boundaries).build()
}

fn watch_synced(meter: &Meter, synced: Arc<Mutex<BTreeMap<Kind, bool>>>) -> ObservableGauge<i64> {
    let OwnFamily { name, help, unit, .. } = WATCH_SYNCED;
    let gauge = meter.i64_observable_gauge(name).with_description(help).with_unit(unit);
    let observe = move |observer: &dyn opentelemetry::metrics::AsyncInstrument<i64>| {
        for ((group, kind), synced) in synced.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            observer.observe(i64::from(*synced), &of_kind(group, kind, None));
        }
    };
    gauge.with_callback(observe).build()
}

/// The provider owns its readers; this one is asked by others too.
#[derive(Debug)]
struct SharedReader(Arc<ManualReader>);

impl MetricReader for SharedReader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}
