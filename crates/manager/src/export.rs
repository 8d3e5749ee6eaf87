//! From stored series to a backend: one exporter a pipeline.

mod exporter;
mod grpc;
mod health;
mod http;
mod link;
mod outcome;
mod plan;
mod request;
mod tls;
mod told;
mod transport;

pub(crate) use exporter::{Exporter, Settings};
pub(crate) use health::Health;
pub(crate) use plan::{Claims, Plan, Selected, Sending};
pub(crate) use transport::connector;
