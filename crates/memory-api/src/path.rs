//! What a path and a method ask for, as authorization in the real API server sees it.

use http::Method;

use crate::name::GroupResource;

/// The place that a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Version,
    /// `/healthz`, `/livez`, `/readyz`.
    Health,
    /// `/api`
    CoreVersions,
    /// `/apis`
    Groups,
    /// `/apis/{group}`
    Group(String),
    /// `/api/v1`, `/apis/{group}/{version}`
    GroupVersion(String, String),
    /// `/openapi/v3`
    Schemas,
    /// `/openapi/v3/apis/{group}/{version}`
    Schema(String, String),
    Resource(Attributes),
    Unknown,
}

/// A request for a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attributes {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`; empty for another method.
    pub verb: String,
    /// Empty for the core group.
    pub group: String,
    /// The version in the path.
    pub version: String,
    /// The plural.
    pub resource: String,
    /// `status`, or empty.
    pub subresource: String,
    /// Empty for all namespaces and for cluster-scoped resources. For a Namespace, its own name.
    pub namespace: String,
    /// Empty for a collection, unless the field selector asks for one name.
    pub name: String,
}

impl Attributes {
    pub(crate) fn id(&self) -> GroupResource {
        GroupResource::new(&self.group, &self.resource)
    }
}

impl Place {
    pub(crate) fn of(method: &Method, path: &str, watching: bool) -> Self {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        match segments[..] {
            ["version"] => Self::Version,
            ["healthz" | "livez" | "readyz", ..] => Self::Health,
            ["api"] => Self::CoreVersions,
            ["apis"] => Self::Groups,
            ["apis", group] => Self::Group(group.to_owned()),
            ["api", version] => Self::GroupVersion(String::new(), version.to_owned()),
            ["apis", group, version] => Self::GroupVersion(group.to_owned(), version.to_owned()),
            ["openapi", "v3"] => Self::Schemas,
            ["openapi", "v3", "api", version] => Self::Schema(String::new(), version.to_owned()),
            ["openapi", "v3", "apis", group, version] => Self::Schema(group.to_owned(), version.to_owned()),
            ["api", version, ref rest @ ..] => Self::resource(method, watching, "", version, rest),
            ["apis", group, version, ref rest @ ..] => Self::resource(method, watching, group, version, rest),
            _ => Self::Unknown,
        }
    }

    fn resource(method: &Method, watching: bool, group: &str, version: &str, rest: &[&str]) -> Self {
        let (namespace, resource, name, subresource) = match *rest {
            ["namespaces"] => ("", "namespaces", "", ""),
            ["namespaces", name] => (name, "namespaces", name, ""),
            ["namespaces", name, part @ ("status" | "finalize")] => (name, "namespaces", name, part),
            ["namespaces", namespace, resource] => (namespace, resource, "", ""),
            ["namespaces", namespace, resource, name] => (namespace, resource, name, ""),
            ["namespaces", namespace, resource, name, part] => (namespace, resource, name, part),
            [resource] => ("", resource, "", ""),
            [resource, name] => ("", resource, name, ""),
            [resource, name, part] => ("", resource, name, part),
            _ => return Self::Unknown,
        };
        Self::Resource(Attributes {
            verb: verb(method, name, watching).to_owned(),
            group: group.to_owned(),
            version: version.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

fn verb(method: &Method, name: &str, watching: bool) -> &'static str {
    match (method.as_str(), name.is_empty()) {
        ("GET", true) if watching => "watch",
        ("GET", true) => "list",
        ("GET", false) => "get",
        ("POST", true) => "create",
        ("PUT", false) => "update",
        ("PATCH", false) => "patch",
        ("DELETE", true) => "deletecollection",
        ("DELETE", false) => "delete",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &Method, path: &str, expected: [&str; 6]) {
        let Place::Resource(found) = Place::of(method, path, false) else { panic!("{path} is no resource") };
        let found =
            [&found.verb, &found.group, &found.resource, &found.namespace, &found.name, &found.subresource];
        assert_eq!(found.map(String::as_str), expected);
    }

    #[test]
    fn paths_are_read_as_authorization_reads_them() {
        check(&Method::GET, "/api/v1/secrets", ["list", "", "secrets", "", "", ""]);
        check(&Method::GET, "/api/v1/namespaces/a", ["get", "", "namespaces", "a", "a", ""]);
        check(&Method::POST, "/api/v1/namespaces/a/secrets", ["create", "", "secrets", "a", "", ""]);
        check(&Method::DELETE, "/apis/g/v1/cars", ["deletecollection", "g", "cars", "", "", ""]);
        check(&Method::PATCH, "/apis/g/v1/cars/c/status", ["patch", "g", "cars", "", "c", "status"]);
        check(
            &Method::PUT,
            "/apis/g/v1/namespaces/a/cars/c/status",
            ["update", "g", "cars", "a", "c", "status"],
        );
    }
}
