//! What the manager and its objects are called in a cluster (design: none of it is `telemetry-manager`).

/// Deployment, `ServiceAccount`, Service, Lease, field manager and event reporter.
pub const NAME: &str = "status-manager";

/// The field manager of everything that is written.
pub(crate) const FIELD_MANAGER: &str = NAME;

/// The namespace of an installation.
pub const NAMESPACE: &str = "kyma-system";
