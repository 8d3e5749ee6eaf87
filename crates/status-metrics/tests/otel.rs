//! The feature `otel`: what a `Meter` of the SDK reports is the set `module`.

#![allow(clippy::panic, reason = "functions beside the tests fail as the tests do")]

use std::collections::BTreeMap;

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, GaugeDataPoint, Metric, MetricData, ResourceMetrics,
};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use serde_json::{Value, json};
use status_metrics::otel::Reporter;
use status_metrics::{LimitExceeded, MAX_SERIES, Origin, Samples, Set};
use status_model::{ModuleRef, ModuleStatus, parse};

type Attributes = BTreeMap<String, String>;
/// The metric (name, unit, description) and the attributes.
type Series = ((String, String, String), Attributes);
type Reported = BTreeMap<Series, i64>;

/// A program with a status on its own meter.
struct Program {
    exporter: InMemoryMetricExporter,
    provider: SdkMeterProvider,
    reporter: Reporter,
}

impl Program {
    fn new(origin: Origin) -> Self {
        let exporter = InMemoryMetricExporter::default();
        let provider = SdkMeterProvider::builder().with_periodic_exporter(exporter.clone()).build();
        let reporter = Reporter::new(&provider.meter("keda-manager"), origin);
        Self { exporter, provider, reporter }
    }

    /// What one collection reports.
    fn collect(&self) -> Reported {
        self.exporter.reset();
        self.provider.force_flush().expect("the exporter takes everything");
        let exports = self.exporter.get_finished_metrics().expect("the exporter holds what it took");
        let mut reported = Reported::new();
        for scope in exports.iter().flat_map(ResourceMetrics::scope_metrics) {
            assert_eq!(scope.scope().name(), "keda-manager");
            for (series, value) in scope.metrics().flat_map(points) {
                assert_eq!(reported.insert(series.clone(), value), None, "{series:?} is there twice");
            }
        }
        reported
    }
}

fn points(metric: &Metric) -> Vec<(Series, i64)> {
    let AggregatedMetrics::I64(MetricData::Gauge(gauge)) = metric.data() else {
        panic!("{} is not an integer gauge", metric.name())
    };
    let name = (metric.name().to_owned(), metric.unit().to_owned(), metric.description().to_owned());
    let point = |point: &GaugeDataPoint<i64>| {
        let attributes = point.attributes().map(|one| (one.key.to_string(), one.value.to_string()));
        ((name.clone(), attributes.collect()), point.value())
    };
    gauge.data_points().map(point).collect()
}

fn reported(of_each: &[Samples]) -> Reported {
    let series = of_each.iter().flatten().map(|sample| {
        let family = sample.family;
        let attributes = sample.attributes.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        let name = (family.name.to_owned(), family.unit.to_owned(), family.help.to_owned());
        ((name, attributes.collect()), sample.value)
    });
    series.collect()
}

fn keda(name: &str) -> ModuleRef {
    ModuleRef::new("operator.kyma-project.io", "v1alpha1", "Keda", name).with_namespace("kyma-system")
}

fn read(status: &Value) -> ModuleStatus {
    parse(status).0
}

#[test]
fn a_meter_reports_the_metrics_attributes_and_values_of_the_set_module() {
    let origin = Origin::default().with_cluster_name("prod").with_cluster_uid("uid");
    let program = Program::new(origin.clone());
    let statuses = [
        json!({"state": "Ready", "conditions": [
            {"type": "Installed", "status": "True", "reason": "Verified"},
            {"type": "Configured", "status": "False", "reason": "Secret \"missing\"\n"},
        ]}),
        json!({"state": "Warning"}),
        json!({"conditions": [{"type": "", "status": "é😀"}]}),
        json!({}),
    ];
    let mut expected = Vec::new();
    for (index, status) in statuses.iter().enumerate() {
        let (object, status) = (keda(&format!("keda-{index}")), read(status));
        assert_eq!(program.reporter.set(&object, &status), None);
        expected.push(Set::Module.translate(&origin, &object, &status).0);
    }
    let expected = reported(&expected);
    assert_eq!(expected.len(), 5);
    assert_eq!(program.collect(), expected);
    assert_eq!(program.collect(), expected, "each collection reports all of it");
}

#[test]
fn a_state_that_was_left_and_an_object_that_was_removed_are_reported_no_more() {
    let program = Program::new(Origin::default());
    let (one, other) = (keda("one"), keda("other"));
    let (ready, warning) = (read(&json!({"state": "Ready"})), read(&json!({"state": "Warning"})));
    let shown = |statuses: &[(&ModuleRef, &ModuleStatus)]| {
        let translate = |object, status| Set::Module.translate(&Origin::default(), object, status).0;
        let of_each: Vec<_> = statuses.iter().map(|(object, status)| translate(object, status)).collect();
        reported(&of_each)
    };
    program.reporter.set(&one, &ready);
    program.reporter.set(&other, &ready);
    assert_eq!(program.collect(), shown(&[(&one, &ready), (&other, &ready)]));

    program.reporter.set(&one, &warning);
    assert_eq!(program.collect(), shown(&[(&one, &warning), (&other, &ready)]));

    program.reporter.remove(&one);
    assert_eq!(program.collect(), shown(&[(&other, &ready)]));

    program.reporter.remove(&one);
    program.reporter.remove(&other);
    assert_eq!(program.collect(), Reported::new());
}

#[test]
fn what_is_beyond_the_limits_is_said_and_the_rest_is_reported() {
    let program = Program::new(Origin::default());
    let condition = |index| json!({"type": format!("T{index}"), "status": "True"});
    let status = read(&json!({"conditions": (0..=MAX_SERIES).map(condition).collect::<Vec<_>>()}));
    assert_eq!(program.reporter.set(&keda("default"), &status), Some(LimitExceeded::Series));
    assert_eq!(program.collect().len(), MAX_SERIES);
}

#[test]
fn a_reporter_that_is_dropped_reports_no_more() {
    let mut program = Program::new(Origin::default());
    program.reporter.set(&keda("one"), &read(&json!({"state": "Ready"})));
    assert_eq!(program.collect().len(), 1);
    program.reporter = Reporter::new(&program.provider.meter("keda-manager"), Origin::default());
    assert_eq!(program.collect(), Reported::new());
}
