//! Which requests are meant.

use crate::path::Attributes;

/// A selection of requests, for faults, for counting and for waiting.
///
/// What is not said is not asked: [`Selection::any`] is every request. Discovery and schemas are met by it alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selection {
    verbs: Vec<String>,
    resource: Option<String>,
    subresource: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

impl Selection {
    /// Every request.
    pub fn any() -> Self {
        Self::default()
    }

    /// Requests for a resource: its plural (`secrets`), or plural and group (`telemetries.operator.kyma-project.io`).
    pub fn resource(resource: &str) -> Self {
        Self { resource: Some(resource.to_owned()), ..Self::default() }
    }

    /// Only this verb, or one of those named by several calls.
    #[must_use]
    pub fn verb(mut self, verb: &str) -> Self {
        self.verbs.push(verb.to_owned());
        self
    }

    /// Only this subresource (`status`); `""` is the object itself.
    #[must_use]
    pub fn subresource(mut self, subresource: &str) -> Self {
        self.subresource = Some(subresource.to_owned());
        self
    }

    /// Only this namespace; `""` is a request across namespaces.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Only this name, in the path or in the field selector.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Whether a request is among those selected.
    pub fn matches(&self, request: &Attributes) -> bool {
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        (self.verbs.is_empty() || self.verbs.contains(&request.verb))
            && (is(&self.resource, &request.resource) || is(&self.resource, &request.id().to_string()))
            && is(&self.subresource, &request.subresource)
            && is(&self.namespace, &request.namespace)
            && is(&self.name, &request.name)
    }
}
