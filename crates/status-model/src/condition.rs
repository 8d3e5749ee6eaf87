//! One condition of a status, in the sense of `metav1.Condition`.

use std::fmt;
use std::time::SystemTime;

use serde_json::{Map, Value};

use crate::problem::{JsonType, Problem};

/// One entry of `status.conditions`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Condition {
    /// What the condition is about, for example `Ready`. Unique within a [`ModuleStatus`](crate::ModuleStatus).
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// A word for why; empty if the resource gives none.
    pub reason: String,
    /// A sentence for people; empty if the resource gives none.
    pub message: String,
    /// When `status` changed last, if the resource says so as an RFC 3339 time.
    pub last_transition_time: Option<SystemTime>,
    /// The `metadata.generation` that the condition was computed for, if the resource says so.
    pub observed_generation: Option<i64>,
}

/// The status of a condition. The set is open: what is not one of the three known words is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionStatus {
    /// `True`
    True,
    /// `False`
    False,
    /// `Unknown`
    Unknown,
    /// Any other text.
    Other(String),
}

impl ConditionStatus {
    /// The status as the resource writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for ConditionStatus {
    fn from(text: &str) -> Self {
        match text {
            "True" => Self::True,
            "False" => Self::False,
            "Unknown" => Self::Unknown,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for ConditionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads the entry at `index`: a condition needs a type and a status, everything else may be missing or malformed.
pub(crate) fn parse(index: usize, value: &Value) -> Result<Condition, Problem> {
    let fields = value
        .as_object()
        .ok_or_else(|| Problem::ConditionNotAnObject { index, found: JsonType::of(value) })?;
    Ok(Condition {
        type_: required(index, fields, "type")?.to_owned(),
        status: required(index, fields, "status")?.into(),
        reason: optional(fields, "reason"),
        message: optional(fields, "message"),
        last_transition_time: fields.get("lastTransitionTime").and_then(time),
        observed_generation: fields.get("observedGeneration").and_then(Value::as_i64),
    })
}

fn required<'a>(
    index: usize,
    fields: &'a Map<String, Value>,
    field: &'static str,
) -> Result<&'a str, Problem> {
    let value = fields.get(field).unwrap_or(&Value::Null);
    value.as_str().ok_or_else(|| Problem::ConditionFieldNotAString {
        index,
        field,
        found: JsonType::of(value),
    })
}

fn optional(fields: &Map<String, Value>, field: &str) -> String {
    fields.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn time(value: &Value) -> Option<SystemTime> {
    value.as_str()?.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
}
