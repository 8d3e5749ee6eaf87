//! JSON merge patch, RFC 7396.

use serde_json::{Map, Value};

/// Applies a merge patch: `null` removes, maps are merged, everything else replaces.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (field, value) in patch {
        if value.is_null() {
            target.remove(field);
        } else {
            merge(target.entry(field.as_str()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(mut target: Value, patch: &Value, expected: &Value) {
        merge(&mut target, patch);
        assert_eq!(&target, expected);
    }

    /// Examples of appendix A of the RFC.
    #[test]
    fn the_examples_of_the_rfc_hold() {
        check(json!({"a": "b"}), &json!({"a": "c"}), &json!({"a": "c"}));
        check(json!({"a": "b", "b": "c"}), &json!({"a": null}), &json!({"b": "c"}));
        check(json!({"a": [{"b": "c"}]}), &json!({"a": [1]}), &json!({"a": [1]}));
        check(json!({"a": {"b": "c"}}), &json!({"a": {"b": "d", "c": null}}), &json!({"a": {"b": "d"}}));
        check(json!({"e": null}), &json!({"a": 1}), &json!({"e": null, "a": 1}));
        check(json!({}), &json!({"a": {"bb": {"ccc": null}}}), &json!({"a": {"bb": {}}}));
        check(json!([1, 2]), &json!({"a": "b"}), &json!({"a": "b"}));
    }
}
