//! Who the manager is to the API server.

use std::fmt;

/// The `ServiceAccount` under which the manager runs: the subject of the rights that a message asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// The manager's namespace.
    pub namespace: String,
    /// The name of the `ServiceAccount`.
    pub name: String,
}

impl ServiceAccount {
    /// The `ServiceAccount` with this namespace and name.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl Default for ServiceAccount {
    /// The one of the installation's base: `kyma-system/status-manager`.
    fn default() -> Self {
        Self::new("kyma-system", "status-manager")
    }
}

impl fmt::Display for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
