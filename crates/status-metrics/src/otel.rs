//! A module team's own metrics: the set `module` on a `Meter` of the OpenTelemetry SDK.
//!
//! The names and attributes are those of the operator, so the same dashboards and alerts work. Two things differ:
//! - There are no end markers. When a state or a condition goes, a *pushed* old series lives on in the backend for its
//!   lookback (five minutes in Prometheus); a *scraped* one ends at once.
//! - A module that exports itself must be taken out of the operator's catalog, or its series are there twice.
//!
//! ```
//! use opentelemetry_sdk::metrics::SdkMeterProvider;
//! use opentelemetry::metrics::MeterProvider;
//! use serde_json::json;
//! use status_metrics::{Origin, otel::Reporter};
//! use status_model::{ModuleRef, parse};
//!
//! let provider = SdkMeterProvider::default(); // with your reader or exporter
//! let reporter = Reporter::new(&provider.meter("my-operator"), Origin::default().with_cluster_name("prod"));
//!
//! // Wherever your controller writes the status:
//! let keda = ModuleRef::new("operator.kyma-project.io", "v1alpha1", "Keda", "default").with_namespace("kyma-system");
//! let (status, _problems) = parse(&json!({"state": "Ready"}));
//! reporter.set(&keda, &status);
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter, ObservableGauge};
use status_model::{ModuleRef, ModuleStatus};

use crate::family::Family;
use crate::origin::Origin;
use crate::sample::{LimitExceeded, Samples};
use crate::sets::Set;

type Observed = Arc<Mutex<HashMap<ModuleRef, Samples>>>;

/// Reports the status of objects on one `Meter`, each time that the SDK collects. Make one a `Meter`. The SDK takes 2,000
/// series of an instrument by default; a view raises that.
#[derive(Debug)]
pub struct Reporter {
    origin: Origin,
    observed: Observed,
    /// The SDK calls back as long as the instruments' provider lives; they are kept to say who registered them.
    _gauges: Vec<ObservableGauge<i64>>,
}

impl Reporter {
    /// Registers the instruments of the set `module`.
    pub fn new(meter: &Meter, origin: Origin) -> Self {
        let observed = Observed::default();
        let families = Set::Module.families();
        let gauges = families.iter().map(|family| gauge(meter, family, Arc::clone(&observed))).collect();
        Self { origin, observed, _gauges: gauges }
    }

    /// Sets what an object says of itself now. Returns what was left out, if anything.
    pub fn set(&self, object: &ModuleRef, status: &ModuleStatus) -> Option<LimitExceeded> {
        let (samples, exceeded) = Set::Module.translate(&self.origin, object, status);
        self.observed.lock().unwrap_or_else(PoisonError::into_inner).insert(object.clone(), samples);
        exceeded
    }

    /// Ends the series of an object that was deleted.
    pub fn remove(&self, object: &ModuleRef) {
        self.observed.lock().unwrap_or_else(PoisonError::into_inner).remove(object);
    }
}

/// The SDK goes on calling back as long as the provider lives; there is nothing to report any more.
impl Drop for Reporter {
    fn drop(&mut self) {
        self.observed.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn gauge(meter: &Meter, family: &'static Family, observed: Observed) -> ObservableGauge<i64> {
    let observe = move |observer: &dyn AsyncInstrument<i64>| {
        let observed = observed.lock().unwrap_or_else(PoisonError::into_inner);
        for sample in observed.values().flatten().filter(|sample| sample.family == family) {
            let attributes: Vec<_> =
                sample.attributes.iter().map(|(key, value)| KeyValue::new(*key, value.clone())).collect();
            observer.observe(sample.value, &attributes);
        }
    };
    let gauge = meter.i64_observable_gauge(family.name).with_description(family.help).with_unit(family.unit);
    gauge.with_callback(observe).build()
}
