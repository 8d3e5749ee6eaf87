//! OTLP, as bytes that concatenate.
//!
//! A request (`ExportMetricsServiceRequest`) is `repeated ResourceMetrics`, and a `ScopeMetrics` is `repeated Metric`;
//! repeated fields of protobuf messages concatenate. So an object's metrics are encoded once, when it changes, and a
//! request is put together from them: lengths are computed, bytes copied, and the times, which are `fixed64`,
//! overwritten in place. Message definitions: <https://github.com/open-telemetry/opentelemetry-proto>.

mod batch;
mod frame;
mod metrics;

pub use batch::{Batch, Part};
pub use frame::Frame;
pub use metrics::{Metrics, SeriesId, SeriesMarker};
