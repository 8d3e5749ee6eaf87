//! What a spec comes to, and what is said where it comes to nothing.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pipeline_api::{
    Candidate, Lookup, MetricPipelineSpec, Referenced, Resolved, Secret, SecretKeyRef, ServiceAccount, Tls,
    duplicates, references, resolve,
};
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
use serde_json::{Value, json};

/// 2026-06-01T00:00:00Z
const NOW: u64 = 1_780_272_000;
const DAY: u64 = 24 * 60 * 60;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

fn spec(otlp: &Value) -> MetricPipelineSpec {
    serde_json::from_value(json!({"input": {"kyma": {"enabled": true}}, "output": {"otlp": otlp}})).unwrap()
}

fn from_secret(key: &str) -> Value {
    json!({"valueFrom": {"secretKeyRef": {"namespace": "default", "name": "backend", "key": key}}})
}

fn reference(key: &str) -> SecretKeyRef {
    SecretKeyRef::new("default", "backend", key)
}

fn found(values: &[(&str, &str)]) -> Referenced {
    values.iter().map(|(key, value)| (reference(key), Lookup::Found(Secret::new(*value)))).collect()
}

/// A certificate and its key, valid between two days.
fn certificate(name: &str, from: (i32, u8, u8), until: (i32, u8, u8)) -> (String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(from.0, from.1, from.2);
    params.not_after = date_time_ymd(until.0, until.1, until.2);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn good() -> (String, String) {
    certificate("good", (2026, 1, 1), (2027, 1, 1))
}

fn outcome(spec: &MetricPipelineSpec, referenced: &Referenced) -> String {
    match resolve(spec, referenced, now()) {
        Ok(resolved) => format!("{:?}", resolved.output.expect("every case has an output").endpoint),
        Err(invalid) => format!("{}: {}", invalid.reason(), invalid.message(&ServiceAccount::default())),
    }
}

fn table(cases: &[(&str, Value)], referenced: &Referenced) -> String {
    let mut table = String::new();
    for (name, otlp) in cases {
        writeln!(table, "{name}\n  {}", outcome(&spec(otlp), referenced)).unwrap();
    }
    table
}

fn endpoint_case(protocol: &str, endpoint: &str) -> (String, Value) {
    (format!("{protocol} {endpoint:?}"), json!({"protocol": protocol, "endpoint": {"value": endpoint}}))
}

#[test]
fn an_endpoint_parses_or_says_why_not() {
    let grpc = [
        "backend:4317",
        "https://backend:4317",
        "http://Backend.Example.COM:4317/",
        "HTTPS://backend:443",
        "[::1]:4317",
        "http://10.0.0.1:4317",
        "https://[2001:db8::1]:4317",
        "backend",
        "https://backend",
        "[::1]",
        "backend:0",
        "backend:65536",
        "backend:+80",
        "backend:",
        ":4317",
        "https://:4317",
        "https://",
        "ftp://backend:4317",
        "https://user:pass@backend:4317",
        "user@backend:4317",
        "backend:4317/v1/metrics",
        "backend:4317?token=x",
        "backend:4317#x",
        " backend:4317",
        "backend:4317\n",
        "back end:4317",
        "backend:4317\\x",
        "\u{0}",
        "a:b:1",
        "https://exa%mple:1",
        "//backend:4317",
    ];
    let http = [
        "https://backend",
        "http://backend",
        "https://backend:4318/",
        "https://backend/otlp/",
        "backend:4318",
        "https://backend/v1?x=1",
        "https://backend/a b",
        "https://[::1]/x",
    ];
    let cases = grpc
        .map(|text| endpoint_case("grpc", text))
        .into_iter()
        .chain(http.map(|text| endpoint_case("http", text)));
    let cases: Vec<(String, Value)> = cases.collect();
    let cases: Vec<(&str, Value)> = cases.iter().map(|(name, case)| (name.as_str(), case.clone())).collect();
    insta::assert_snapshot!("endpoints", table(&cases, &Referenced::new()));
}

#[test]
fn a_bad_field_is_answered_with_its_reason() {
    let value = |value: &str| json!({"value": value});
    let ok = value("https://backend:4317");
    let header = |name: &str, text: &str| json!({"endpoint": ok, "headers": [{"name": name, "value": text}]});
    let basic = |basic: Value| json!({"endpoint": ok, "authentication": {"basic": basic}});
    let cases = [
        ("no endpoint", json!({"endpoint": {}})),
        ("empty endpoint", json!({"endpoint": value("")})),
        ("two endpoints", json!({"endpoint": {"value": "a:1", "valueFrom": from_secret("x")["valueFrom"]}})),
        ("path with grpc", json!({"endpoint": ok, "path": "/x"})),
        (
            "own path with http",
            json!({"protocol": "http", "endpoint": value("https://backend/otlp"), "path": "m"}),
        ),
        (
            "path with a query",
            json!({"protocol": "http", "endpoint": value("https://backend"), "path": "/m?x"}),
        ),
        ("https but insecure", json!({"endpoint": ok, "tls": {"insecure": true}})),
        ("no scheme and insecure", json!({"endpoint": value("backend:4317"), "tls": {"insecure": true}})),
        ("http and insecure", json!({"endpoint": value("http://backend:4317"), "tls": {"insecure": true}})),
        (
            "http with certificates",
            json!({"endpoint": value("http://backend:4317"), "tls": {"ca": from_secret("ca")}}),
        ),
        ("cert without key", json!({"endpoint": ok, "tls": {"cert": from_secret("cert")}})),
        ("header name", header("x token", "a")),
        ("header reserved", header("Content-Type", "a")),
        ("header of grpc", header("grpc-timeout", "a")),
        ("header value", header("x-token", "a\u{e9}")),
        ("header with a line break inside", header("x-token", "a\nb")),
        ("header without value", json!({"endpoint": ok, "headers": [{"name": "x-token"}]})),
        (
            "header twice",
            json!({"endpoint": ok, "headers": [{"name": "a", "value": "1"}, {"name": "A", "value": "2"}]}),
        ),
        ("no user", basic(json!({"password": value("b")}))),
        ("no password", basic(json!({"user": value("a")}))),
        ("user with a colon", basic(json!({"user": value("a:b"), "password": value("c")}))),
        (
            "authorization twice",
            json!({"endpoint": ok, "headers": [{"name": "Authorization", "value": "x"}],
                   "authentication": {"basic": {"user": value("a"), "password": value("b")}}}),
        ),
        (
            "everything at once",
            json!({"endpoint": value("backend"), "path": "/x", "headers": [{"name": "te", "value": "x"}],
                   "authentication": {"basic": {}}, "tls": {"insecure": true, "ca": value("x"), "key": value("y")}}),
        ),
    ];
    let (ca, _) = good();
    insta::assert_snapshot!("fields", table(&cases, &found(&[("ca", &ca), ("cert", &ca)])));
}

#[test]
fn a_secret_is_missing_or_forbidden_and_the_message_says_what_helps() {
    let otlp = json!({"endpoint": from_secret("endpoint"), "headers": [
        {"name": "x-token", "valueFrom": from_secret("token")["valueFrom"]},
    ]});
    let lookups = [
        Lookup::SecretMissing,
        Lookup::KeyMissing,
        Lookup::Forbidden,
        Lookup::Unavailable { error: "connection\nrefused.".to_owned() },
        Lookup::Pending,
        Lookup::Found(Secret::new(vec![0xff])),
        Lookup::Found(Secret::new("")),
        Lookup::Found(Secret::new("https://backend:4317\r\n")),
    ];
    let mut table = String::new();
    for lookup in lookups {
        let referenced: Referenced =
            ["endpoint", "token"].map(|key| (reference(key), lookup.clone())).into_iter().collect();
        writeln!(table, "{lookup:?}\n  {}", outcome(&spec(&otlp), &referenced)).unwrap();
    }
    insta::assert_snapshot!("secrets", table);
    assert!(resolve(&spec(&otlp), &Referenced::new(), now()).unwrap_err().is_pending());
}

#[test]
fn a_pem_is_checked_for_form_time_and_key() {
    let (cert, key) = good();
    let (expired, expired_key) = certificate("expired", (2025, 1, 1), (2026, 5, 1));
    let (future, future_key) = certificate("future", (2026, 7, 1), (2027, 1, 1));
    let (ending, ending_key) = certificate("ending", (2026, 1, 1), (2026, 6, 15));
    let both = |cert: &str, key: &str| json!({"cert": {"value": cert}, "key": {"value": key}});
    let ca = |pem: &str| json!({"ca": {"value": pem}});
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let cases = [
        ("good", both(&cert, &key)),
        ("literal line breaks", both(&cert.replace('\n', "\\n"), &key.replace('\n', "\\n"))),
        ("another key", both(&cert, &expired_key)),
        ("SEC1 key", both(&cert, &sec1(&key))),
        ("expired", both(&expired, &expired_key)),
        ("not yet valid", both(&future, &future_key)),
        ("about to expire", both(&ending, &ending_key)),
        ("expired intermediate", both(&format!("{cert}{expired}"), &key)),
        ("not a PEM", both("x", "y")),
        ("truncated", both(&cert[..cert.len() / 2], &key[..key.len() / 2])),
        ("not a certificate", both(garbage, &key)),
        ("encrypted key", both(&cert, encrypted)),
        ("swapped", both(&key, &cert)),
        ("ca good", ca(&cert)),
        ("ca empty", ca("\n")),
        ("ca garbage", ca(garbage)),
        ("ca expired", ca(&expired)),
        ("ca not yet valid", ca(&future)),
        ("ca expired and good", ca(&format!("{expired}{cert}"))),
        ("ca ending and future", ca(&format!("{ending}\n{future}"))),
        ("ca expired and future", ca(&format!("{expired}{future}"))),
    ];
    let mut table = String::new();
    for (name, tls) in cases {
        let spec = spec(&json!({"endpoint": {"value": "backend:4317"}, "tls": tls}));
        let resolved = resolve(&spec, &Referenced::new(), now());
        let answer = match &resolved {
            Ok(resolved) => format!("Ok {:?}", resolved.expiring),
            Err(invalid) => format!("{}: {}", invalid.reason(), invalid.message(&ServiceAccount::default())),
        };
        let recheck = resolved.map_or_else(|invalid| invalid.recheck_at(), |resolved| resolved.recheck_at);
        let days = recheck.map(|at| at.duration_since(now()).unwrap().as_secs() / DAY);
        writeln!(table, "{name} (again after days: {days:?})\n  {answer}").unwrap();
    }
    insta::assert_snapshot!("certificates", table);
}

/// The SEC1 structure inside a PKCS#8 document of a P-256 key.
fn sec1(pkcs8: &str) -> String {
    let body: String = pkcs8.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(body).unwrap();
    let curve = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let end = der.windows(curve.len()).position(|window| window == curve).unwrap() + curve.len();
    let inner = STANDARD.encode(&der[end + 2..]);
    format!("-----BEGIN EC PRIVATE KEY-----\n{inner}\n-----END EC PRIVATE KEY-----\n")
}

#[test]
fn a_certificate_changes_its_answer_exactly_when_recheck_at_says() {
    let (cert, key) = certificate("c", (2026, 6, 2), (2026, 8, 1));
    let tls = json!({"cert": {"value": cert}, "key": {"value": key}});
    let spec = spec(&json!({"endpoint": {"value": "backend:4317"}, "tls": tls}));
    let mut at = now();
    let mut answers = Vec::new();
    loop {
        let (answer, next) = match resolve(&spec, &Referenced::new(), at) {
            Ok(resolved) => {
                (if resolved.expiring.is_empty() { "valid" } else { "ending" }, resolved.recheck_at)
            }
            Err(invalid) => (invalid.reason().as_str(), invalid.recheck_at()),
        };
        answers.push((at.duration_since(now()).unwrap().as_secs(), answer));
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    let expected = [
        (0, "TLSConfigurationInvalid"),
        (DAY, "valid"),
        (47 * DAY, "ending"),
        (61 * DAY + 1, "TLSCertificateExpired"),
    ];
    assert_eq!(answers, expected);
}

fn rich() -> (MetricPipelineSpec, Vec<(String, String)>) {
    let (cert, key) = good();
    let otlp = json!({
        "protocol": "http", "endpoint": from_secret("endpoint"), "path": "/own", "compression": "zstd",
        "headers": [
            {"name": "X-Token", "prefix": "Bearer ", "valueFrom": from_secret("token")["valueFrom"]},
            {"name": "x-plain", "value": "plain-hunter2"},
        ],
        "authentication": {"basic": {"user": from_secret("user"), "password": {"value": "inline-hunter2"}}},
        "tls": {"ca": from_secret("cert"), "cert": from_secret("cert"), "key": from_secret("key")},
    });
    let values = [
        ("endpoint", "https://backend.example.com/base\n".to_owned()),
        ("token", "token-hunter2\n".to_owned()),
        ("user", "user-hunter2".to_owned()),
        ("cert", cert),
        ("key", key),
    ];
    (spec(&otlp), values.map(|(key, value)| (key.to_owned(), value)).into())
}

fn resolve_rich(spec: &MetricPipelineSpec, values: &[(String, String)]) -> Resolved {
    let values: Vec<(&str, &str)> =
        values.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    resolve(spec, &found(&values), now()).unwrap()
}

#[test]
fn a_good_spec_becomes_an_output() {
    let (spec, values) = rich();
    let resolved = resolve_rich(&spec, &values);
    let output = resolved.output.unwrap();
    assert_eq!(output.endpoint.uri().to_string(), "https://backend.example.com:443/base/own");
    let headers = output.header_map();
    assert_eq!(headers["x-token"], "Bearer token-hunter2");
    assert_eq!(headers["x-plain"], "plain-hunter2");
    assert_eq!(headers["authorization"], format!("Basic {}", STANDARD.encode("user-hunter2:inline-hunter2")));
    assert!(headers.values().all(http::HeaderValue::is_sensitive));
    assert!(matches!(output.tls, Tls::Tls(tls) if tls.ca.is_some() && tls.client.is_some()));
    assert_eq!(references(&spec).len(), values.len());
}

#[test]
fn debug_shows_no_secret() {
    let (spec, values) = rich();
    let resolved = resolve_rich(&spec, &values);
    let debug = format!("{spec:?} {resolved:?} {:?}", found(&[("x", "hunter2")]));
    assert!(!debug.contains("hunter2"), "{debug}");
    let mut inline = spec.clone();
    inline.output.as_mut().unwrap().otlp.endpoint.value_from = None;
    inline.output.as_mut().unwrap().otlp.endpoint.value =
        Some("https://u:hunter2@backend:1/hunter2".to_owned());
    let debug = format!("{inline:?}");
    assert!(debug.contains("https://backend:1") && !debug.contains("hunter2"), "{debug}");
}

#[test]
fn a_rotated_credential_keeps_the_destination_and_changes_the_output() {
    let (spec, values) = rich();
    let before = resolve_rich(&spec, &values);
    let (cert, key) = good();
    for (changed, value) in [("token", "new"), ("user", "new"), ("cert", ""), ("endpoint", "https://other")] {
        let mut values = values.clone();
        for (name, old) in &mut values {
            match (changed, name.as_str()) {
                ("cert", "cert") => old.clone_from(&cert),
                ("cert", "key") => old.clone_from(&key),
                (changed, name) if changed == name => value.clone_into(old),
                _ => {}
            }
        }
        let after = resolve_rich(&spec, &values);
        assert_ne!(before, after, "{changed}");
        let same =
            before.output.as_ref().unwrap().destination() == after.output.as_ref().unwrap().destination();
        assert_eq!(same, changed != "endpoint", "{changed}");
    }
}

#[test]
fn another_inline_value_is_another_destination() {
    let (spec, values) = rich();
    let mut other = spec.clone();
    other.output.as_mut().unwrap().otlp.headers[1].value = Some("other".to_owned());
    let destination = |spec| resolve_rich(spec, &values).output.unwrap().destination().clone();
    assert_ne!(destination(&spec), destination(&other));
}

fn candidate(kyma: &Value, otlp: &Value) -> Resolved {
    let spec = serde_json::from_value(json!({"input": {"kyma": kyma}, "output": {"otlp": otlp}})).unwrap();
    resolve(&spec, &found(&[("endpoint", "backend:4317"), ("password", "p")]), now()).unwrap()
}

#[test]
fn of_two_pipelines_with_the_same_series_the_younger_one_yields() {
    let all = json!({"enabled": true});
    let otlp = json!({"endpoint": {"value": "https://BACKEND:4317"}});
    let same = json!({"endpoint": from_secret("endpoint"), "compression": "none"});
    let user = json!({"endpoint": {"value": "backend:4317"}, "authentication": {"basic": {
        "user": {"value": "u"}, "password": from_secret("password")}}});
    let user_too = json!({"endpoint": {"value": "backend:4317"}, "authentication": {"basic": {
        "user": {"value": "u"}, "password": {"value": "another"}}}});
    let pipelines = [
        ("b-oldest", 1, candidate(&all, &otlp)),
        ("a-same", 2, candidate(&json!({"enabled": true, "modules": ["x"]}), &same)),
        ("other-set", 3, candidate(&json!({"enabled": true, "metrics": ["resource"]}), &otlp)),
        ("disabled", 0, candidate(&json!({"enabled": false}), &otlp)),
        ("user", 4, candidate(&all, &user)),
        ("user-too", 4, candidate(&all, &user_too)),
        (
            "x",
            5,
            candidate(&json!({"enabled": true, "modules": ["x"]}), &json!({"endpoint": {"value": "c:1"}})),
        ),
        (
            "y",
            5,
            candidate(&json!({"enabled": true, "modules": ["y"]}), &json!({"endpoint": {"value": "c:1"}})),
        ),
    ];
    let at = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
    let mut candidates: Vec<Candidate<'_>> = pipelines
        .iter()
        .map(|(name, created, resolved)| Candidate { name, created: at(*created), resolved })
        .collect();
    let expected = [("a-same", "b-oldest"), ("user-too", "user")];
    let expected = expected.map(|(younger, older)| (younger.to_owned(), older.to_owned())).into();
    assert_eq!(duplicates(&candidates), expected);
    candidates.reverse();
    assert_eq!(duplicates(&candidates), expected);
}
