//! Which cluster the metrics come from.

/// The cluster's identity: resource attributes of every OTLP message, and `k8s.cluster.name` on every point, because
/// backends drop resource attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// `k8s.cluster.uid`: the uid of the namespace `kube-system`.
    pub cluster_uid: Option<String>,
    /// `k8s.cluster.name`: a name for people.
    pub cluster_name: Option<String>,
}

impl Origin {
    /// The same origin with the uid of the cluster.
    #[must_use]
    pub fn with_cluster_uid(mut self, uid: impl Into<String>) -> Self {
        self.cluster_uid = Some(uid.into());
        self
    }

    /// The same origin with the name of the cluster.
    #[must_use]
    pub fn with_cluster_name(mut self, name: impl Into<String>) -> Self {
        self.cluster_name = Some(name.into());
        self
    }
}
