//! An OTLP metrics backend in memory, for tests, the demo and benches.
//!
//! It is a real receiver on a port of 127.0.0.1: OTLP/gRPC and OTLP/HTTP on the same port, gzip and zstd, plain
//! text, TLS or mutual TLS. It remembers each request and shows what a backend would show after it.
//!
//! ```
//! use std::time::Duration;
//!
//! use memory_backend::Backend;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let backend = Backend::builder().strict().start().await?;
//! println!("point an exporter at {}", backend.endpoint());
//!
//! let seen = backend.wait_for(|view| !view.live().is_empty(), Duration::from_millis(10)).await;
//! assert!(seen.is_err(), "nobody has sent anything");
//! assert!(backend.view().violations().is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # Violations
//!
//! [`View::violations`] names what a strict receiver refuses or a backend shows wrongly. Refused by Prometheus' OTLP
//! receiver, all of the request with it, and so by a backend that is [strict](Builder::strict): a point older than the
//! last of its series; another value or an end marker in the millisecond of the last; a point more than an hour behind
//! the newest; two points of one series in one request (two resources whose points have equal attributes are one
//! series). Taken, but wrong: a metric without points; a point with neither value nor flag; an end marker that
//! shares its metric with other points, or stands before a metric with values of its resource (the Collector's
//! Prometheus exporter stops at the first); two live states or conditions of one object.

mod backend;
mod exchange;
mod fault;
mod lock;
mod message;
mod pki;
mod point;
mod record;
mod refusal;
mod reply;
mod server;
mod shared;
mod tls;
mod view;
mod violation;

pub use backend::{Backend, Builder, NotSeen, StartError, Subscription};
pub use fault::{Fault, Faults};
pub use opentelemetry_proto;
pub use pki::{Identity, Pki, PkiError};
pub use point::{Attributes, Kind, Point, Scope, Value};
pub use record::{Outcome, Protocol, Request};
pub use refusal::Refusal;
pub use tls::{Tls, TlsError};
pub use tonic::Code;
pub use view::{SeriesKey, View};
