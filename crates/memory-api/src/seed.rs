//! The seven modules and the Kyma resource that demo, e2e and snapshots use.

/// The resources, as YAML documents: seven modules and the Kyma resource, with their statuses.
pub const CLUSTER: &str = include_str!("../fixtures/cluster.yaml");

/// Their custom resource definitions, as YAML documents.
pub const CRDS: &str = include_str!("../fixtures/crds.yaml");

/// A configuration file of the manager that names the seven modules.
pub const CATALOG: &str = include_str!("../fixtures/catalog.yaml");
