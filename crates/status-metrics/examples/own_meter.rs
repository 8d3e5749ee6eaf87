//! A module's status on the module's own `Meter`: with it a controller reports its status beside its other metrics, through
//! whatever exporter it has.
//!
//! ```sh
//! cargo run -p status-metrics --features otel --example own_meter
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::time::Duration;

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{SdkMeterProvider, Temporality};
use serde_json::json;
use status_metrics::Origin;
use status_metrics::otel::Reporter;
use status_model::{ModuleRef, parse};

fn main() -> Result<(), Box<dyn Error>> {
    let provider = SdkMeterProvider::builder().with_periodic_exporter(Print).build();
    let reporter =
        Reporter::new(&provider.meter("keda-manager"), Origin::default().with_cluster_name("prod"));
    let keda = ModuleRef::new("operator.kyma-project.io", "v1alpha1", "Keda", "default")
        .with_namespace("kyma-system");

    // Where the controller writes the status of its resource:
    let (status, _problems) = parse(&json!({"state": "Warning", "conditions": [
        {"type": "Installed", "status": "True", "reason": "Verified"},
        {"type": "Configured", "status": "False", "reason": "SecretMissing"},
    ]}));
    reporter.set(&keda, &status);
    println!("The status was written:");
    provider.force_flush()?;

    // Where it learns that the resource is gone:
    reporter.remove(&keda);
    println!("The resource was deleted:");
    provider.force_flush()?;
    Ok(())
}

/// Stands for the exporter that the program has, for example that of `opentelemetry-otlp`.
struct Print;

impl PushMetricExporter for Print {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        for metric in metrics.scope_metrics().flat_map(ScopeMetrics::metrics) {
            if let AggregatedMetrics::I64(MetricData::Gauge(gauge)) = metric.data() {
                for point in gauge.data_points() {
                    let attributes = point.attributes().map(|one| format!("{}={}", one.key, one.value));
                    let attributes = attributes.collect::<Vec<_>>().join(", ");
                    println!("  {} {{{attributes}}} {}", metric.name(), point.value());
                }
            }
        }
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}
