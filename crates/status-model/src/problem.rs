//! What could not be read in a status.

use std::fmt;

use serde_json::Value;

/// A part of a status that was left out, and why. The `Display` text names the field and what stands there, never
/// the content of the field.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Problem {
    /// There is no `status`, or it is `null`. Usual for an object that its controller has not seen yet.
    StatusMissing,
    /// `status` is there, but is not an object.
    StatusNotAnObject {
        /// What it is instead.
        found: JsonType,
    },
    /// `status.state` is there, but is not a string.
    StateNotAString {
        /// What it is instead.
        found: JsonType,
    },
    /// `status.conditions` is there, but is not a list.
    ConditionsNotAList {
        /// What it is instead.
        found: JsonType,
    },
    /// An entry of `status.conditions` is not an object; it is skipped.
    ConditionNotAnObject {
        /// Which entry, counted from 0.
        index: usize,
        /// What it is instead.
        found: JsonType,
    },
    /// An entry of `status.conditions` lacks a string `type` or `status`; it is skipped.
    ConditionFieldNotAString {
        /// Which entry, counted from 0.
        index: usize,
        /// The field: `type` or `status`.
        field: &'static str,
        /// What it is instead; [`JsonType::Null`] where it is missing.
        found: JsonType,
    },
    /// Several conditions have one type; the last one is kept.
    ConditionTypeDuplicate {
        /// The type that is there more than once.
        type_: String,
    },
}

impl Problem {
    /// A stable word for the kind of problem, fit for a metric's attribute.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::StatusMissing => "StatusMissing",
            Self::StatusNotAnObject { .. } => "StatusNotAnObject",
            Self::StateNotAString { .. } => "StateNotAString",
            Self::ConditionsNotAList { .. } => "ConditionsNotAList",
            Self::ConditionNotAnObject { .. } => "ConditionNotAnObject",
            Self::ConditionFieldNotAString { .. } => "ConditionFieldNotAString",
            Self::ConditionTypeDuplicate { .. } => "ConditionTypeDuplicate",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StatusMissing => f.write_str("status is missing"),
            Self::StatusNotAnObject { found } => write!(f, "status is {found} instead of an object"),
            Self::StateNotAString { found } => write!(f, "status.state is {found} instead of a string"),
            Self::ConditionsNotAList { found } => write!(f, "status.conditions is {found} instead of a list"),
            Self::ConditionNotAnObject { index, found } => {
                write!(f, "status.conditions[{index}] is {found} instead of an object")
            }
            Self::ConditionFieldNotAString { index, field, found: JsonType::Null } => {
                write!(f, "status.conditions[{index}] has no {field}")
            }
            Self::ConditionFieldNotAString { index, field, found } => {
                write!(f, "status.conditions[{index}].{field} is {found} instead of a string")
            }
            Self::ConditionTypeDuplicate { type_ } => {
                write!(
                    f,
                    "status.conditions has several entries of type {type_:?}, of which the last one counts"
                )
            }
        }
    }
}

impl std::error::Error for Problem {}

/// The type of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum JsonType {
    Null,
    Bool,
    Number,
    String,
    List,
    Object,
}

impl JsonType {
    /// The type of the value that a valid JSON text has.
    pub(crate) fn of_text(text: &str) -> Self {
        match text.trim_start().bytes().next() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::List,
            Some(b'"') => Self::String,
            Some(b't' | b'f') => Self::Bool,
            Some(b'-' | b'0'..=b'9') => Self::Number,
            _ => Self::Null,
        }
    }

    /// The type of `value`.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::String,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Object,
        }
    }
}

/// The type with its article, as in "is a string".
impl fmt::Display for JsonType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Bool => "a Boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::List => "a list",
            Self::Object => "an object",
        })
    }
}
