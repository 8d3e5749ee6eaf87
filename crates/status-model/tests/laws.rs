//! What holds for every status.

use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};
use status_model::{State, parse, parse_text};

/// Any JSON value, with the field names that the parser looks for more often than chance would have them.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        prop_oneof![Just("Ready"), Just("True"), Just("2024-01-18T12:22:14Z")].prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("state"),
        Just("conditions"),
        Just("type"),
        Just("status"),
        Just("reason"),
        Just("lastTransitionTime"),
        Just("observedGeneration"),
        Just("other"),
    ]
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 64, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            hash_map(key.clone(), inner, 0..6).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn reading_is_total_on_any_json(value in any_json()) {
        let (status, problems) = parse(&value);
        if status.state.is_none() && status.conditions.is_empty() {
            let nothing_said = problems.is_empty();
            prop_assert!(!nothing_said || value.is_object(), "{value} gave nothing and no problem");
        }
        for problem in &problems {
            prop_assert!(!problem.to_string().is_empty());
            prop_assert!(problem.reason().chars().all(|c| c.is_ascii_alphabetic()));
        }
    }

    #[test]
    fn a_text_reads_as_its_value(value in any_json()) {
        prop_assert_eq!(parse_text(&value.to_string()), parse(&value));
    }

    #[test]
    fn any_text_can_be_read(text in ".{0,64}", depth in 0usize..100_000) {
        parse_text(&text);
        let deep = "[".repeat(depth) + &"]".repeat(depth);
        let conditions = format!(r#"[{{"type": "A", "status": "True", "reason": {deep}}}, {deep}]"#);
        let (status, problems) = parse_text(&format!(r#"{{"state": {deep}, "conditions": {conditions}}}"#));
        prop_assert_eq!(status.conditions.len(), 1);
        prop_assert_eq!(problems.len(), if depth == 0 { 0 } else { 2 });
    }

    #[test]
    fn every_entry_is_a_condition_or_a_problem(entries in vec(any_json(), 0..12)) {
        let (status, problems) = parse(&json!({"conditions": entries}));
        let mut kinds: Vec<_> = status.conditions.iter().map(|condition| &condition.type_).collect();
        kinds.sort_unstable();
        kinds.dedup();
        prop_assert_eq!(kinds.len(), status.conditions.len(), "a type is there twice");
        prop_assert!(status.conditions.len() + problems.len() <= entries.len().max(1) * 2);
        prop_assert!(entries.is_empty() || status.conditions.len() + problems.len() > 0);
    }

    #[test]
    fn a_broken_condition_removes_only_itself(good in vec("[A-Za-z]{1,8}", 1..6), broken in any_json(), at in 0usize..6) {
        let mut entries: Vec<Value> =
            good.iter().map(|kind| json!({"type": kind, "status": "True", "reason": "Fine"})).collect();
        let (before, _) = parse(&json!({"conditions": entries}));
        prop_assume!(!(broken["type"].is_string() && broken["status"].is_string()));
        entries.insert(at.min(good.len()), broken);
        let (after, _) = parse(&json!({"conditions": entries}));
        prop_assert_eq!(before, after);
    }

    #[test]
    fn states_and_condition_statuses_are_kept_to_the_letter(state in ".*", status in ".*", reason in ".*") {
        let (parsed, _) = parse(&json!({
            "state": state,
            "conditions": [{"type": "T", "status": status, "reason": reason}],
        }));
        prop_assert_eq!(parsed.state.as_ref().map(State::as_str), Some(state.as_str()));
        prop_assert_eq!(parsed.conditions[0].status.as_str(), status);
        prop_assert_eq!(&parsed.conditions[0].reason, &reason);
    }
}
