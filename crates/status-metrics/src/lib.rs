//! Kubernetes status as metrics: metric sets, encoders for OTLP and for the Prometheus text formats, and a store of
//! encoded series.
//!
//! A status that [`status_model::parse`] has read becomes [`Samples`] by [`Set::translate`]; an encoder makes bytes
//! of them. Bytes of several objects are joined, never encoded again.
//!
#![cfg_attr(feature = "text", doc = "```")]
#![cfg_attr(not(feature = "text"), doc = "```ignore")]
//! use serde_json::json;
//! use status_metrics::text::{Format, TextBlock, exposition};
//! use status_metrics::{Origin, Set};
//! use status_model::{ModuleRef, parse};
//!
//! let keda = ModuleRef::new("operator.kyma-project.io", "v1alpha1", "Keda", "default").with_namespace("kyma-system");
//! let (status, _problems) = parse(&json!({"state": "Ready"}));
//! let (samples, _left_out) = Set::Module.translate(&Origin::default(), &keda, &status);
//! let page = exposition([&TextBlock::new([&samples])], Format::Prometheus);
//! assert!(page.ends_with(
//!     "kyma_module_status_state{k8s_namespace_name=\"kyma-system\",k8s_resource_kind=\"kedas\",\
//!      k8s_resource_name=\"default\",name=\"keda\",state=\"Ready\"} 1\n"
//! ));
//! ```
//!
//! # Features
//! - `otlp` (default): [`Frame`], OTLP messages that concatenate and are stamped in place.
//! - `text` (default): [`text`], Prometheus 0.0.4 and OpenMetrics 1.0. With `otlp`, also
//!   [`Store`].
//! - `otel`: [`otel::Reporter`] registers one module's status on a `Meter` of the OpenTelemetry SDK. Follows the minor
//!   versions of `opentelemetry`.
//!
//! No feature brings I/O or a clock: times are arguments.

mod family;
mod origin;
#[cfg(feature = "otel")]
pub mod otel;
#[cfg(feature = "otlp")]
mod otlp;
mod sample;
mod sets;
#[cfg(all(feature = "otlp", feature = "text"))]
mod store;
#[cfg(feature = "text")]
pub mod text;

pub use family::{Family, FamilyType, SCOPE_NAME, SCOPE_VERSION};
pub use origin::Origin;
#[cfg(feature = "otlp")]
pub use otlp::{Batch, Frame, Metrics, Part, SeriesId, SeriesMarker};
pub use sample::{Attribute, LimitExceeded, MAX_BYTES, MAX_SERIES, Sample, Samples};
pub use sets::{SETS, Set};
#[cfg(all(feature = "otlp", feature = "text"))]
pub use store::{
    Change, Changes, Ended, EndedObject, ObjectKey, Relist, Rendered, Snapshot, Store, StoredObject,
};

/// The example of the README is a test.
#[cfg(all(doctest, feature = "text"))]
#[doc = include_str!("../README.md")]
struct Readme;
