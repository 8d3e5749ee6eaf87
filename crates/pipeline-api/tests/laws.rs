//! `resolve` and `status` answer everything, and always the same.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::time::{Duration, UNIX_EPOCH};

use pipeline_api::{
    FlowHealth, GatewayHealth, Lookup, MetricPipelineSpec, ModulesObservation, ModulesReport, Observed,
    Referenced, Secret, ServiceAccount, needs_write, references, resolve, status,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Any text, and texts that get further than most.
fn text() -> impl Strategy<Value = String> {
    const LIKELY: &[&str] = &[
        "https://backend:4317",
        "backend:4317",
        "x-token",
        "authorization",
        "Bearer",
        "",
        "-----BEGIN CERTIFICATE-----",
    ];
    prop_oneof![any::<String>(), "(?s).{0,20}", proptest::sample::select(LIKELY).prop_map(str::to_owned)]
}

fn value() -> impl Strategy<Value = Value> {
    let reference = (text(), text(), text()).prop_map(
        |(namespace, name, key)| json!({"secretKeyRef": {"namespace": namespace, "name": name, "key": key}}),
    );
    (option::of(text()), option::of(reference)).prop_map(|(value, from)| {
        let mut both = serde_json::Map::new();
        both.extend(value.map(|value| ("value".to_owned(), json!(value))));
        both.extend(from.map(|from| ("valueFrom".to_owned(), from)));
        Value::Object(both)
    })
}

fn header() -> impl Strategy<Value = Value> {
    (text(), text(), value()).prop_map(|(name, prefix, mut value)| {
        value["name"] = json!(name);
        value["prefix"] = json!(prefix);
        value
    })
}

fn spec() -> impl Strategy<Value = MetricPipelineSpec> {
    let input = (any::<bool>(), vec(text(), 0..3));
    let tls = (any::<bool>(), value(), option::of(value()), option::of(value()));
    let protocol = prop_oneof![Just("grpc"), Just("http")];
    (input, protocol, value(), text(), vec(header(), 0..4), option::of((value(), value())), tls).prop_map(
        |((enabled, modules), protocol, endpoint, path, headers, basic, (insecure, ca, cert, key))| {
            let basic = basic.map(|(user, password)| json!({"user": user, "password": password}));
            serde_json::from_value(json!({
                "input": {"kyma": {"enabled": enabled, "modules": modules}},
                "output": {"otlp": {
                    "protocol": protocol, "endpoint": endpoint, "path": path, "headers": headers,
                    "authentication": {"basic": basic},
                    "tls": {"insecure": insecure, "ca": ca, "cert": cert, "key": key},
                }},
            }))
            .unwrap()
        },
    )
}

fn lookup() -> impl Strategy<Value = Lookup> {
    prop_oneof![
        vec(any::<u8>(), 0..40).prop_map(|bytes| Lookup::Found(Secret::new(bytes))),
        text().prop_map(|text| Lookup::Found(Secret::new(text))),
        Just(Lookup::SecretMissing),
        Just(Lookup::KeyMissing),
        Just(Lookup::Forbidden),
        Just(Lookup::Pending),
        text().prop_map(|error| Lookup::Unavailable { error }),
    ]
}

proptest! {
    #[test]
    fn any_spec_has_one_answer(
        spec in spec(), lookups in vec(lookup(), 16), error in text(), names in vec(text(), 0..4), seconds in 0_u64..1 << 40,
    ) {
        let referenced: Referenced = references(&spec).into_iter().zip(lookups).collect();
        let now = UNIX_EPOCH + Duration::from_secs(seconds);
        let configuration = resolve(&spec, &referenced, now);
        prop_assert_eq!(&configuration, &resolve(&spec, &referenced, now));
        let _ = format!("{spec:?} {configuration:?}");

        let manager = ServiceAccount::default();
        let report = ModulesReport { unknown: names.into_iter().collect(), ..ModulesReport::default() };
        let observed = Observed {
            generation: Some(1),
            configuration: configuration.as_ref(),
            gateway: GatewayHealth::NotReady { waiting_for: error.clone() },
            flow: FlowHealth::BackendUnavailable { error, since: now },
            modules: ModulesObservation::Report(report),
            manager: &manager,
        };
        let first = status(&observed, None, now);
        prop_assert_eq!(&first, &status(&observed, None, now));
        prop_assert_eq!(&first, &status(&observed, Some(&first), now + Duration::from_mins(1)));
        prop_assert!(!needs_write(Some(&first), &first));
        for condition in &first.conditions {
            prop_assert!(condition.message.len() <= 32_768 && !condition.message.is_empty());
            prop_assert!(!condition.message.contains('\n'), "{}", condition.message);
        }
    }
}
