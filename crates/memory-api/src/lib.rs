//! A Kubernetes API server in memory, for tests, the demo and benches.
//!
//! ```
//! use k8s_openapi::api::core::v1::ConfigMap;
//! use kube::{Api, Client, ResourceExt as _};
//! use memory_api::{Fault, MemoryApi, Selection};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let api = MemoryApi::new();
//! api.create(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}))?;
//!
//! let configs: Api<ConfigMap> = Api::default_namespaced(Client::new(api.service(), "default"));
//! assert_eq!(configs.get("a").await?.name_any(), "a");
//!
//! api.faults().add(Fault::forbidden(Selection::resource("configmaps").verb("get")).times(1));
//! assert!(configs.get("a").await.is_err());
//! assert_eq!(api.requests().count(&Selection::resource("configmaps")), 2);
//! # Ok(())
//! # }
//! ```
//!
//! [`MemoryApi`] is a handle. [`MemoryApi::service`] is for clients in the same process and works on paused tokio time;
//! [`MemoryApi::serve_on_loopback`] is the same API over HTTP. What it does and does not do is in the README.

mod api;
mod apply;
mod body;
mod builtin;
mod clock;
mod cluster;
mod crd;
mod discovery;
mod failure;
mod faults;
mod kind;
mod list;
mod merge;
mod name;
mod openapi;
mod options;
mod path;
mod registry;
mod render;
mod requests;
mod respond;
mod revise;
pub mod seed;
mod selection;
mod selector;
mod server;
mod service;
mod storage;
mod target;
mod verbs;
mod watch;
mod watches;

pub use api::MemoryApi;
pub use body::{Body, ConnectionCut};
pub use failure::Failure;
pub use faults::{Fault, FaultId, Faults};
pub use path::Attributes;
pub use requests::{Request, Requests};
pub use respond::Disconnected;
pub use selection::Selection;
pub use server::Server;
pub use service::ApiService;
pub use watches::Watches;
