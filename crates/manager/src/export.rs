//! From stored series to a backend: one exporter a pipeline.

mod connect;
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

pub(crate) use connect::connector;
pub(crate) use exporter::{Exporter, Settings};
pub(crate) use health::Health;
pub(crate) use plan::{Claims, Plan, Selected, Sending};
