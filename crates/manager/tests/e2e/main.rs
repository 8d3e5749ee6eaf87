//! End to end: the real binary, a real OTLP receiver, and a Kubernetes API behind a kubeconfig.
//!
//! The API is one in memory, or that of the kubeconfig in `STATUS_MANAGER_E2E_KUBECONFIG`; there the tests run one after the
//! other, bring their namespace and definitions, and take away what they create.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "functions beside the tests fail as the tests do"
)]

mod cluster;
mod delivery;
mod process;
mod replicas;
mod secrets;
mod transports;
mod wrong;
