//! Server-side apply for one manager a field.
//!
//! What a manager applied is remembered as it was sent; a field that it no longer sends is removed. There are no managedFields and
//! therefore no conflicts between managers: the last one wins, as with `force`.

use serde_json::{Map, Value};

/// The merged object: `live`, without what `previous` set and `wanted` no longer does, and with all of `wanted`.
///
/// Lists are merged as `schema` says (`x-kubernetes-list-type`, `x-kubernetes-list-map-keys`) and are atomic where it says nothing.
pub(crate) fn apply(live: &Value, previous: &Value, wanted: &Value, schema: &Value) -> Value {
    match (wanted, list_type(schema)) {
        (Value::Object(wanted), _) if schema["x-kubernetes-map-type"] != "atomic" => {
            apply_map(live, previous, wanted, schema)
        }
        (Value::Array(wanted), List::Map(keys)) => apply_list(live, previous, wanted, schema, &keys),
        (Value::Array(wanted), List::Set) => apply_set(live, previous, wanted),
        _ => wanted.clone(),
    }
}

enum List {
    Atomic,
    Set,
    Map(Vec<String>),
}

fn list_type(schema: &Value) -> List {
    match schema["x-kubernetes-list-type"].as_str() {
        Some("map") => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
            List::Map(keys.filter_map(Value::as_str).map(str::to_owned).collect())
        }
        Some("set") => List::Set,
        _ => List::Atomic,
    }
}

fn child<'a>(schema: &'a Value, field: &str) -> &'a Value {
    match &schema["properties"][field] {
        Value::Null => &schema["additionalProperties"],
        found => found,
    }
}

fn apply_map(live: &Value, previous: &Value, wanted: &Map<String, Value>, schema: &Value) -> Value {
    let mut merged = live.as_object().cloned().unwrap_or_default();
    for (field, set) in previous.as_object().into_iter().flatten() {
        if wanted.contains_key(field) {
            continue;
        }
        match merged.get(field).and_then(|live| without(live, set, child(schema, field))) {
            Some(rest) => merged.insert(field.clone(), rest),
            None => merged.remove(field),
        };
    }
    for (field, value) in wanted {
        let value = apply(&live[field.as_str()], &previous[field.as_str()], value, child(schema, field));
        merged.insert(field.clone(), value);
    }
    Value::Object(merged)
}

/// What remains of a value whose owner no longer applies it; nothing, unless others have set something inside it.
fn without(live: &Value, set: &Value, schema: &Value) -> Option<Value> {
    let rest = match (set, list_type(schema)) {
        (Value::Object(_), _) if schema["x-kubernetes-map-type"] != "atomic" => {
            apply(live, set, &Value::Object(Map::new()), schema)
        }
        (Value::Array(_), List::Map(_) | List::Set) => apply(live, set, &Value::Array(Vec::new()), schema),
        _ => return None,
    };
    let empty = rest.as_object().is_some_and(Map::is_empty) || rest.as_array().is_some_and(Vec::is_empty);
    (!empty).then_some(rest)
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Items keep their places; new ones are appended in the order in which they are sent.
fn apply_list(live: &Value, previous: &Value, wanted: &[Value], schema: &Value, keys: &[String]) -> Value {
    let same = |a: &Value, b: &Value| keys.iter().all(|key| a[key.as_str()] == b[key.as_str()]);
    let find = |list: &'_ [Value], item: &Value| list.iter().position(|other| same(other, item));
    let (live, previous) = (items(live), items(previous));
    let item_schema = &schema["items"];
    let merge = |live: &Value, wanted: &Value| {
        let before = find(previous, wanted).map_or(&Value::Null, |index| &previous[index]);
        apply(live, before, wanted, item_schema)
    };
    let kept = live.iter().filter_map(|item| match find(wanted, item) {
        Some(index) => Some(merge(item, &wanted[index])),
        None if find(previous, item).is_some() => None,
        None => Some(item.clone()),
    });
    let new = wanted.iter().filter(|item| find(live, item).is_none()).map(|item| merge(&Value::Null, item));
    kept.chain(new).collect()
}

fn apply_set(live: &Value, previous: &Value, wanted: &[Value]) -> Value {
    let live = items(live);
    let kept = live.iter().filter(|item| wanted.contains(item) || !items(previous).contains(item));
    let new = wanted.iter().filter(|item| !live.contains(item));
    kept.chain(new).cloned().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({"properties": {
            "conditions": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
                           "items": {"type": "object"}},
            "finalizers": {"x-kubernetes-list-type": "set"},
        }})
    }

    fn check(live: &Value, previous: &Value, wanted: &Value, expected: &Value) {
        assert_eq!(&apply(live, previous, wanted, &schema()), expected);
    }

    #[test]
    fn a_field_that_is_no_longer_sent_is_removed_and_those_of_others_stay() {
        check(
            &json!({"a": 1, "b": 2, "mine": {"x": 1, "theirs": 2}}),
            &json!({"a": 1, "mine": {"x": 1}}),
            &json!({"c": 3}),
            &json!({"b": 2, "c": 3, "mine": {"theirs": 2}}),
        );
    }

    #[test]
    fn keyed_lists_are_merged_item_by_item() {
        check(
            &json!({"conditions": [{"type": "Theirs"}, {"type": "A", "status": "True", "note": "x"}, {"type": "B"}]}),
            &json!({"conditions": [{"type": "A", "status": "True"}, {"type": "B"}]}),
            &json!({"conditions": [{"type": "C"}, {"type": "A", "status": "False"}]}),
            &json!({"conditions": [{"type": "Theirs"}, {"type": "A", "status": "False", "note": "x"}, {"type": "C"}]}),
        );
    }

    #[test]
    fn lists_without_a_declared_type_are_atomic() {
        check(&json!({"l": [1, 2]}), &json!({}), &json!({"l": [3]}), &json!({"l": [3]}));
    }

    #[test]
    fn sets_are_united_and_keep_the_items_of_others() {
        check(
            &json!({"finalizers": ["theirs", "old"]}),
            &json!({"finalizers": ["old"]}),
            &json!({"finalizers": ["new"]}),
            &json!({"finalizers": ["theirs", "new"]}),
        );
    }
}
