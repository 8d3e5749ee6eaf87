//! One object as a request addresses it, and whether a body fits it.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    builtin,
    failure::Failure,
    kind::{Kind, Version},
    name::{GroupResource, Key, api_version},
    revise::Part,
};

/// One object as a request addresses it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) kind: Arc<Kind>,
    pub(crate) version: Version,
    pub(crate) key: Key,
    pub(crate) part: Part,
}

/// What an object must still be for its deletion.
#[derive(Debug, Clone, Default)]
pub(crate) struct Preconditions {
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
}

impl Target {
    pub(crate) fn not_found(&self) -> Failure {
        Failure::not_found(&self.kind.id, &self.key.name)
    }

    pub(crate) fn invalid(&self, cause: &str) -> Failure {
        let Kind { id, names, .. } = &*self.kind;
        Failure::invalid(&GroupResource::new(&id.group, &names.kind).to_string(), &self.key.name, cause)
    }

    /// Whether the body is of the kind, the name and the namespace that the path says.
    pub(crate) fn check(&self, object: &Value) -> Result<(), Failure> {
        let Self { kind, version, key, .. } = self;
        let expected = (api_version(&kind.id.group, &version.name), kind.names.kind.as_str());
        let given = (object["apiVersion"].as_str(), object["kind"].as_str());
        // Typed clients leave both out for built-in kinds.
        if given != (Some(&expected.0), Some(expected.1)) && given != (None, None) {
            let (group, kind) = (given.0.unwrap_or_default(), given.1.unwrap_or_default());
            return Err(Failure::bad_request(format!(
                "the API version in the data ({group}, Kind={kind}) does not match the expected API version ({}, Kind={})",
                expected.0, expected.1,
            )));
        }
        let metadata = &object["metadata"];
        if let Some(name) = metadata["name"].as_str().filter(|name| *name != key.name) {
            let message =
                format!("the name of the object ({name}) does not match the name on the URL ({})", key.name);
            return Err(Failure::bad_request(message));
        }
        if metadata["namespace"].as_str().is_some_and(|n| !n.is_empty() && n != key.namespace) {
            let message =
                "the namespace of the provided object does not match the namespace sent on the request";
            return Err(Failure::bad_request(message));
        }
        Ok(())
    }

    /// Whether the object was read at the version that is stored now, where it says a version at all.
    pub(crate) fn check_version(&self, old: &Value, new: &Value) -> Result<(), Failure> {
        let (old, new) = (&old["metadata"], &new["metadata"]);
        let differs =
            |field: &str| new[field].as_str().is_some_and(|text| !text.is_empty() && old[field] != text);
        if differs("uid") {
            let why = format!(
                "Precondition failed: UID in precondition: {}, UID in object meta: {}",
                new["uid"].as_str().unwrap_or_default(),
                old["uid"].as_str().unwrap_or_default()
            );
            return Err(Failure::conflict(&self.kind.id, &self.key.name, &why));
        }
        if differs("resourceVersion") {
            return Err(Failure::modified(&self.kind.id, &self.key.name));
        }
        Ok(())
    }

    /// Whether an object may go: its preconditions hold, and it is no namespace that every cluster has.
    pub(crate) fn check_deletion(&self, old: &Value, only: &Preconditions) -> Result<(), Failure> {
        let (id, name) = (&self.kind.id, self.key.name.as_str());
        let checks = [
            ("UID", "uid", &only.uid, "The object might have been deleted and then recreated"),
            (
                "ResourceVersion",
                "resourceVersion",
                &only.resource_version,
                "The object might have been modified",
            ),
        ];
        for (label, field, wanted, guess) in checks {
            let found = old["metadata"][field].as_str().unwrap_or_default();
            if let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != found) {
                let why = format!(
                    "the {label} in the precondition ({wanted}) does not match the {label} in record ({found}). {guess}"
                );
                return Err(Failure::conflict(id, name, &why));
            }
        }
        let protected = ["kube-system", "kube-public", "default"];
        if id.to_string() == builtin::NAMESPACES && protected.contains(&name) {
            return Err(Failure::forbidden(id, name, "this namespace may not be deleted"));
        }
        Ok(())
    }
}
