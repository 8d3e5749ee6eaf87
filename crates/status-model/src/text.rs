//! A status as JSON text, of which only what is needed is read, whatever the rest is.

use std::collections::HashMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::problem::JsonType;

/// A value of the same type that is as deep as [`parse`](crate::parse) looks: the fields `state` and `conditions`, and the
/// fields of each condition. What is nested below that is left out.
pub(crate) fn read(text: &str) -> Value {
    let mut status = match fields(text) {
        Ok(status) => status,
        Err(other) => return other,
    };
    let mut read = Map::new();
    if let Some(state) = status.remove("state") {
        read.insert("state".to_owned(), scalar(state.get()));
    }
    if let Some(conditions) = status.remove("conditions") {
        read.insert("conditions".to_owned(), list(conditions.get()));
    }
    Value::Object(read)
}

fn list(text: &str) -> Value {
    match (JsonType::of_text(text), serde_json::from_str::<Vec<&RawValue>>(text)) {
        (JsonType::List, Ok(entries)) => entries.into_iter().map(|entry| condition(entry.get())).collect(),
        _ => scalar(text),
    }
}

fn condition(text: &str) -> Value {
    match fields(text) {
        Ok(fields) => fields.into_iter().map(|(key, value)| (key, scalar(value.get()))).collect(),
        Err(other) => other,
    }
}

/// The fields of an object, or what it is instead.
fn fields(text: &str) -> Result<HashMap<String, &RawValue>, Value> {
    match (JsonType::of_text(text), serde_json::from_str(text)) {
        (JsonType::Object, Ok(fields)) => Ok(fields),
        _ => Err(scalar(text)),
    }
}

/// A value without what is in it. A text or number that has no value in memory is as good as none.
fn scalar(text: &str) -> Value {
    match JsonType::of_text(text) {
        JsonType::Object => Value::Object(Map::new()),
        JsonType::List => Value::Array(Vec::new()),
        JsonType::Number => serde_json::from_str(text).unwrap_or(Value::from(0)),
        _ => serde_json::from_str(text).unwrap_or_default(),
    }
}
