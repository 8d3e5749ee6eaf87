//! Which resource a status belongs to.

use std::fmt;

/// A module's custom resource: which module it stands for, and where it is in the Kubernetes API.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ModuleRef {
    /// The module's name, for example `btp-operator`. It is the attribute `name` of the module's metrics.
    pub module: String,
    /// The API group, for example `operator.kyma-project.io`; empty for the core group.
    pub group: String,
    /// The API version without the group, for example `v1alpha1`.
    pub version: String,
    /// The kind, for example `BtpOperator`.
    pub kind: String,
    /// The plural name of the kind in the API, for example `btpoperators`.
    pub plural: String,
    /// The namespace; `None` for a cluster-scoped object.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

impl ModuleRef {
    /// The object `name` of the given kind. The module is called as the kind in lower case, the plural is the
    /// regular English one, and the object is cluster-scoped, until `with_*` says otherwise.
    #[must_use]
    pub fn new(
        group: impl Into<String>,
        version: impl Into<String>,
        kind: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        let kind = kind.into();
        let singular = kind.to_lowercase();
        Self {
            plural: regular_plural(&singular),
            module: singular,
            group: group.into(),
            version: version.into(),
            kind,
            namespace: None,
            name: name.into(),
        }
    }

    /// The same object as the resource of the module `module`.
    #[must_use]
    pub fn with_module(mut self, module: impl Into<String>) -> Self {
        self.module = module.into();
        self
    }

    /// The same object with the plural that its CRD has.
    #[must_use]
    pub fn with_plural(mut self, plural: impl Into<String>) -> Self {
        self.plural = plural.into();
        self
    }

    /// The same object in a namespace.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }
}

/// `group/version Kind namespace/name`, as log lines and messages name an object.
impl fmt::Display for ModuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.group.is_empty() {
            write!(f, "{}/", self.group)?;
        }
        write!(f, "{} {} ", self.version, self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// The plural that Kubernetes tools guess for a kind whose CRD they do not know.
fn regular_plural(singular: &str) -> String {
    let ends_with_consonant_y = singular.ends_with('y')
        && !["ay", "ey", "iy", "oy", "uy"].iter().any(|ending| singular.ends_with(ending));
    if ends_with_consonant_y {
        format!("{}ies", &singular[..singular.len() - 1])
    } else if ["s", "x", "z", "ch", "sh"].iter().any(|ending| singular.ends_with(ending)) {
        format!("{singular}es")
    } else {
        format!("{singular}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_without_a_crd_gets_the_regular_plural() {
        let cases = [
            ("Telemetry", "telemetries"),
            ("Serverless", "serverlesses"),
            ("Gateway", "gateways"),
            ("", "s"),
        ];
        for (kind, plural) in cases {
            assert_eq!(ModuleRef::new("g", "v1", kind, "x").plural, plural);
        }
    }

    #[test]
    fn an_object_is_named_by_its_coordinates() {
        let object = ModuleRef::new("operator.kyma-project.io", "v1alpha1", "Keda", "default");
        assert_eq!(object.to_string(), "operator.kyma-project.io/v1alpha1 Keda default");
        assert_eq!(
            object.with_namespace("kyma-system").to_string(),
            "operator.kyma-project.io/v1alpha1 Keda kyma-system/default"
        );
        assert_eq!(ModuleRef::new("", "v1", "Node", "n1").to_string(), "v1 Node n1");
    }
}
