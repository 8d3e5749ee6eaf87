//! A whole status, and how it is read.

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

use crate::condition::{self, Condition};
use crate::problem::{JsonType, Problem};
use crate::text;

/// What a module says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModuleStatus {
    /// The overall state; `None` if the resource has none.
    pub state: Option<State>,
    /// The conditions in the order of the resource, one a type.
    pub conditions: Vec<Condition>,
}

/// The overall state of a module. The set is open: a state that is not known is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// `Ready`
    Ready,
    /// `Processing`
    Processing,
    /// `Warning`
    Warning,
    /// `Error`
    Error,
    /// `Deleting`
    Deleting,
    /// `Unmanaged`
    Unmanaged,
    /// Any other text.
    Other(String),
}

impl State {
    /// The states that Kyma defines for modules.
    pub const KNOWN: [Self; 6] =
        [Self::Ready, Self::Processing, Self::Warning, Self::Error, Self::Deleting, Self::Unmanaged];

    /// The state as the resource writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ready => "Ready",
            Self::Processing => "Processing",
            Self::Warning => "Warning",
            Self::Error => "Error",
            Self::Deleting => "Deleting",
            Self::Unmanaged => "Unmanaged",
            Self::Other(text) => text,
        }
    }
}

impl From<&str> for State {
    fn from(text: &str) -> Self {
        let known = Self::KNOWN.into_iter().find(|state| state.as_str() == text);
        known.unwrap_or_else(|| Self::Other(text.to_owned()))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads the value of an object's `status` field; [`Value::Null`] stands for an object without one.
///
/// Total: any value gives a status. A malformed part removes itself only and is named by a [`Problem`]. Of several
/// conditions of one type the last one counts, at its own place in the order.
pub fn parse(status: &Value) -> (ModuleStatus, Vec<Problem>) {
    let fields = match status {
        Value::Object(fields) => fields,
        Value::Null => return (ModuleStatus::default(), vec![Problem::StatusMissing]),
        other => {
            let problem = Problem::StatusNotAnObject { found: JsonType::of(other) };
            return (ModuleStatus::default(), vec![problem]);
        }
    };
    let mut problems = Vec::new();
    let state = parse_state(fields.get("state").unwrap_or(&Value::Null), &mut problems);
    let conditions = parse_conditions(fields.get("conditions").unwrap_or(&Value::Null), &mut problems);
    (ModuleStatus { state, conditions }, problems)
}

/// Reads a status from JSON text, as [`parse`] does. What is not looked at may be anything: nested to any depth, or a number
/// beyond all bounds. Total as well: a text that is not JSON is an object without what could not be read.
///
/// ```
/// use status_model::{State, parse_text};
///
/// let deep = "[".repeat(100_000) + &"]".repeat(100_000);
/// let (status, problems) = parse_text(&format!(r#"{{"state": "Ready", "deep": {deep}}}"#));
/// assert_eq!((status.state, problems), (Some(State::Ready), vec![]));
/// ```
pub fn parse_text(text: &str) -> (ModuleStatus, Vec<Problem>) {
    parse(&text::read(text))
}

fn parse_state(value: &Value, problems: &mut Vec<Problem>) -> Option<State> {
    match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Null => None,
        other => {
            problems.push(Problem::StateNotAString { found: JsonType::of(other) });
            None
        }
    }
}

fn parse_conditions(value: &Value, problems: &mut Vec<Problem>) -> Vec<Condition> {
    let entries = match value {
        Value::Array(entries) => entries,
        Value::Null => return Vec::new(),
        other => {
            problems.push(Problem::ConditionsNotAList { found: JsonType::of(other) });
            return Vec::new();
        }
    };
    let mut conditions = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        match condition::parse(index, entry) {
            Ok(condition) => conditions.push(condition),
            Err(problem) => problems.push(problem),
        }
    }
    keep_last_of_each_type(conditions, problems)
}

fn keep_last_of_each_type(conditions: Vec<Condition>, problems: &mut Vec<Problem>) -> Vec<Condition> {
    let mut count = HashMap::<String, usize>::with_capacity(conditions.len());
    for condition in &conditions {
        *count.entry(condition.type_.clone()).or_default() += 1;
    }
    if count.len() == conditions.len() {
        return conditions;
    }
    let mut duplicates: Vec<_> =
        count.iter().filter(|(_, n)| **n > 1).map(|(type_, _)| type_.clone()).collect();
    duplicates.sort_unstable();
    problems.extend(duplicates.into_iter().map(|type_| Problem::ConditionTypeDuplicate { type_ }));
    let mut keep_last = |condition: &Condition| {
        count.get_mut(&condition.type_).is_some_and(|left| {
            *left -= 1;
            *left == 0
        })
    };
    conditions.into_iter().filter(|condition| keep_last(condition)).collect()
}
