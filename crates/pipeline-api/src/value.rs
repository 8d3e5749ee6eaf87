//! A value that is given inline or taken from a Secret.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reference::SecretKeyRef;

/// A value, or where to find it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!(has(self.value) && self.value != '' && has(self.valueFrom))",
    "message": ValueType::ONLY_ONE,
}]))]
pub struct ValueType {
    /// The value as plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub value: Option<String>,

    /// Where to find the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFromSource>,
}

/// Where to find a value.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ValueFromSource {
    /// Refers to the value of a key in a Secret.
    pub secret_key_ref: SecretKeyRef,
}

/// What a [`ValueType`] says, once it is known to say one thing.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    Inline(&'a str),
    Secret(&'a SecretKeyRef),
}

impl ValueType {
    pub(crate) const ONLY_ONE: &'static str = "Only one of 'value' or 'valueFrom' can be set";

    /// A plain value.
    #[must_use]
    pub fn inline(value: impl Into<String>) -> Self {
        Self { value: Some(value.into()), value_from: None }
    }

    /// The value of a key in a Secret.
    #[must_use]
    pub fn secret(reference: SecretKeyRef) -> Self {
        Self { value: None, value_from: Some(ValueFromSource { secret_key_ref: reference }) }
    }

    /// The one source, `None` if nothing is set, an error if both are. An empty value counts as not set.
    pub(crate) fn source(&self) -> Result<Option<Source<'_>>, &'static str> {
        let value = self.value.as_deref().filter(|value| !value.is_empty());
        match (value, &self.value_from) {
            (Some(_), Some(_)) => Err(Self::ONLY_ONE),
            (Some(value), None) => Ok(Some(Source::Inline(value))),
            (None, Some(from)) => Ok(Some(Source::Secret(&from.secret_key_ref))),
            (None, None) => Ok(None),
        }
    }
}

impl fmt::Debug for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueType")
            .field("value", &Redacted::of(self.value.as_ref()))
            .field("value_from", &self.value_from)
            .finish()
    }
}

/// Stands for a text that must not be shown, but whose presence may.
pub(crate) struct Redacted;

impl Redacted {
    pub(crate) fn of<T>(value: Option<&T>) -> Option<Self> {
        value.map(|_| Self)
    }
}

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
