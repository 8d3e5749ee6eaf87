#![doc = include_str!("../README.md")]

pub mod certificate;
pub mod condition;
pub mod duplicate;
pub mod endpoint;
pub mod header;
pub mod modules;
pub mod openapi;
pub mod output;
pub mod pipeline;
pub mod problem;
pub mod reference;
pub mod resolve;
pub mod resolved;
mod schema;
pub mod secret;
pub mod service_account;
pub mod status;
mod text;
mod tls;
pub mod validity;
pub mod value;

pub use condition::{ConditionStatus, ConditionType, Reason};
pub use duplicate::{Candidate, duplicates};
pub use endpoint::Endpoint;
pub use modules::{ForbiddenModule, ModuleKind, ModulesObservation, ModulesReport};
pub use openapi::{CrdOwner, ForeignCrd, recognise, served_versions};
pub use pipeline::{MetricPipeline, MetricPipelineSpec, MetricPipelineStatus, MetricSet};
pub use problem::{Invalid, Problem};
pub use reference::{Lookup, Referenced, SecretKeyRef, references};
pub use resolve::resolve;
pub use resolved::{
    ClientCertificate, Destination, Modules, OtlpOutput, Resolved, Selection, Tls, TlsConfig,
};
pub use schema::crd;
pub use secret::Secret;
pub use service_account::ServiceAccount;
pub use status::{FlowHealth, GatewayHealth, Observed, needs_write, status};
