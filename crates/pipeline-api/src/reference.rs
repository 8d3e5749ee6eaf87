//! References to Secrets, and what was found there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pipeline::MetricPipelineSpec;
use crate::secret::Secret;
use crate::value::ValueType;

/// Refers to the value of a key in a Secret.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The namespace of the Secret.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,

    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// The key of the value in the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// What is known about one reference.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lookup {
    /// The Secret has the key; this is its value.
    Found(Secret),
    /// There is no such Secret.
    SecretMissing,
    /// The Secret has no such key.
    KeyMissing,
    /// The API server refuses to let the manager read the Secret.
    Forbidden,
    /// The Secret could not be read for another reason; it is being tried again.
    Unavailable {
        /// What the API server or the connection said.
        error: String,
    },
    /// The Secret was not yet looked up, which says nothing about it.
    Pending,
}

/// What was found for each reference. A reference that is not in here is [`Lookup::Pending`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Referenced(BTreeMap<SecretKeyRef, Lookup>);

/// Every Secret that a spec refers to, whether or not the rest of the spec is valid.
pub fn references(spec: &MetricPipelineSpec) -> BTreeSet<SecretKeyRef> {
    let Some(output) = &spec.output else { return BTreeSet::new() };
    let otlp = &output.otlp;
    let headers: Vec<ValueType> = otlp.headers.iter().map(crate::output::Header::value_type).collect();
    let basic = otlp.authentication.as_ref().and_then(|authentication| authentication.basic.as_ref());
    let user = basic.and_then(|basic| basic.user.as_ref());
    let password = basic.and_then(|basic| basic.password.as_ref());
    let tls = otlp.tls.iter().flat_map(|tls| [&tls.ca, &tls.cert, &tls.key]).flatten();

    [&otlp.endpoint]
        .into_iter()
        .chain(&headers)
        .chain(user)
        .chain(password)
        .chain(tls)
        .filter_map(referred)
        .collect()
}

fn referred(value: &ValueType) -> Option<SecretKeyRef> {
    value.value_from.as_ref().map(|from| from.secret_key_ref.clone())
}

impl SecretKeyRef {
    /// Refers to `key` in the Secret `namespace/name`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>, key: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into(), key: key.into() }
    }
}

impl fmt::Display for SecretKeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}, {}", self.namespace, self.name, self.key)
    }
}

impl Referenced {
    /// Nothing was looked up yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records what was found for a reference.
    pub fn insert(&mut self, reference: SecretKeyRef, lookup: Lookup) {
        self.0.insert(reference, lookup);
    }

    /// What is known about a reference.
    pub fn get(&self, reference: &SecretKeyRef) -> &Lookup {
        self.0.get(reference).unwrap_or(&Lookup::Pending)
    }
}

impl FromIterator<(SecretKeyRef, Lookup)> for Referenced {
    fn from_iter<I: IntoIterator<Item = (SecretKeyRef, Lookup)>>(lookups: I) -> Self {
        Self(lookups.into_iter().collect())
    }
}
