//! What the manager and its objects are called in a cluster (design: none of it is `telemetry-manager`).

/// Deployment, `ServiceAccount`, Service, Lease, field manager and event reporter.
pub const NAME: &str = "status-manager";

/// The field manager of everything that is written.
pub(crate) const FIELD_MANAGER: &str = NAME;

/// The namespace of an installation.
pub const NAMESPACE: &str = "kyma-system";

/// What is said of a name that is none.
pub(crate) const NOT_A_NAME: &str = "not a name in Kubernetes (lower-case letters, digits, '-' and '.')";

/// Whether it can be a name in Kubernetes, as far as the characters go.
pub(crate) fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    !text.is_empty() && text.chars().all(allowed)
}
