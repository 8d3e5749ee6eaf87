//! The CRD, as a cluster gets it.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use serde_json::Value;

fn crd() -> Value {
    serde_json::to_value(pipeline_api::crd()).unwrap()
}

fn schema() -> Value {
    crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Every schema of the tree, with its path.
fn walk(path: &str, schema: &Value, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), property, visit);
    }
    if let Some(items) = schema.get("items") {
        walk(&format!("{path}[]"), items, visit);
    }
}

#[test]
fn the_crd_is_as_reviewed() {
    insta::assert_yaml_snapshot!("crd", pipeline_api::crd());
}

#[test]
fn two_calls_give_the_same_crd() {
    assert_eq!(pipeline_api::crd(), pipeline_api::crd());
}

#[test]
fn every_field_is_described() {
    walk("", &schema(), &mut |path, schema| {
        let is_item = path.ends_with("[]") || path.is_empty();
        let described = schema["description"].as_str().is_some_and(|text| !text.is_empty());
        assert!(described || is_item, "{path} has no description");
    });
}

#[test]
fn the_schema_is_structural_and_bounded() {
    walk("", &schema(), &mut |path, schema| {
        for keyword in ["nullable", "anyOf", "oneOf", "allOf", "x-kubernetes-preserve-unknown-fields"] {
            assert!(schema.get(keyword).is_none(), "{path} has {keyword}");
        }
        assert!(schema["type"].is_string(), "{path} has no type");
        assert!(schema.get("default") != Some(&Value::Null), "{path} has null as its default");
        if path.starts_with(".spec") && schema["type"] == "string" && schema.get("enum").is_none() {
            assert!(schema["maxLength"].is_u64(), "{path} is a string without maxLength");
        }
        if path.starts_with(".spec") && schema["type"] == "array" {
            assert!(schema["maxItems"].is_u64(), "{path} is a list without maxItems");
        }
    });
}

#[test]
fn the_rules_have_the_messages_that_users_know() {
    let mut messages = Vec::new();
    walk("", &schema(), &mut |path, schema| {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            messages.push(format!("{path}: {}", rule["message"].as_str().unwrap()));
        }
    });
    insta::assert_snapshot!("rules", messages.join("\n"));
}
