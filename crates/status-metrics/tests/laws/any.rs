//! Any input, with what breaks encoders more often than chance would have it.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Value, json};
use status_metrics::{Origin, SETS, Set};
use status_model::{ModuleRef, ModuleStatus, parse};

/// Any text: of any characters, or of those that a text format gives a meaning to.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let special = "\\\"\n\r\t\0 {}=,#n\u{b}\u{1b}\u{7f}\u{85}\u{2028}\u{feff}é😀";
    let special = proptest::sample::select(special.chars().collect::<Vec<_>>());
    vec(prop_oneof![any::<char>(), special], 0..10).prop_map(String::from_iter)
}

/// A word that is known, or any text.
fn word(known: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![proptest::sample::select(known).prop_map(str::to_owned), text()]
}

pub(crate) fn origin() -> impl Strategy<Value = Origin> {
    (option::of(text()), option::of(text())).prop_map(|(uid, name)| {
        let origin = uid.into_iter().fold(Origin::default(), Origin::with_cluster_uid);
        name.into_iter().fold(origin, Origin::with_cluster_name)
    })
}

pub(crate) fn object() -> impl Strategy<Value = ModuleRef> {
    let of_kind = (text(), text(), text(), text());
    (of_kind, text(), text(), option::of(text())).prop_map(|(of_kind, module, plural, namespace)| {
        let (group, version, kind, name) = of_kind;
        let object = ModuleRef::new(group, version, kind, name).with_module(module).with_plural(plural);
        namespace.into_iter().fold(object, ModuleRef::with_namespace)
    })
}

/// Conditions with types of their own.
pub(crate) fn conditions() -> impl Strategy<Value = Vec<Value>> {
    let status = word(&["True", "False", "Unknown"]);
    btree_map(text(), (status, text()), 0..5).prop_map(|conditions| {
        let condition =
            |(type_, (status, reason))| json!({"type": type_, "status": status, "reason": reason});
        conditions.into_iter().map(condition).collect()
    })
}

pub(crate) fn state() -> impl Strategy<Value = Option<String>> {
    option::of(word(&["Ready", "Warning", "Error"]))
}

pub(crate) fn status() -> impl Strategy<Value = ModuleStatus> {
    (state(), conditions()).prop_map(|(state, conditions)| read(state.as_deref(), &conditions))
}

pub(crate) fn read(state: Option<&str>, conditions: &[Value]) -> ModuleStatus {
    parse(&json!({"state": state, "conditions": conditions})).0
}

/// Some of the metric sets.
pub(crate) fn sets() -> impl Strategy<Value = Vec<Set>> {
    subsequence(SETS.to_vec(), 0..=SETS.len())
}

/// Milliseconds since 1970, as many as nanoseconds can say.
pub(crate) fn time_ms() -> impl Strategy<Value = u64> {
    0..=u64::MAX / 1_000_000
}
