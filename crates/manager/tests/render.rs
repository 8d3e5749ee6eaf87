//! `manager render`: the seed's cluster in every set and format, and what a user sees of bad input.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../memory-api/fixtures").join(name)
}

/// Exit code, standard output, and standard error of `manager render` with `input` on standard input.
fn render(arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_manager"));
    command.arg("render").args(arguments).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command line that is refused closes the pipe before it is read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn seed() -> String {
    let [crds, cluster] =
        ["crds.yaml", "cluster.yaml"].map(|name| std::fs::read_to_string(fixture(name)).unwrap());
    format!("{crds}\n---\n{cluster}")
}

/// What standard error says and the exit code.
fn complaint(arguments: &[&str], input: &str) -> String {
    let (code, _, error) = render(arguments, input);
    format!("{error}exit code {code}")
}

const KEDA: &str = "
apiVersion: operator.kyma-project.io/v1alpha1
kind: Keda
metadata: {name: default, namespace: kyma-system}
status: {state: Ready}
";

#[test]
fn the_seed_renders_as_recorded_in_every_set_and_format() {
    for set in ["module", "resource"] {
        for format in ["prometheus", "openmetrics", "otlp-json"] {
            let arguments = ["--set", set, "--format", format, "--time", "2024-01-18T12:22:14Z"];
            let (code, page, error) = render(&arguments, &seed());
            assert_eq!((code, error.as_str()), (0, ""));
            insta::assert_snapshot!(format!("seed_{set}_{format}"), page);
        }
    }
}

#[test]
fn the_text_of_the_seed_is_valid_under_a_strict_parser() {
    for set in ["module", "resource", "module,resource"] {
        let (_, page, _) =
            render(&["--set", set, "--format", "prometheus", "--cluster-name", "c-1"], &seed());
        let parsed = openmetrics_parser::prometheus::parse_prometheus(&page).expect("0.0.4 is valid");
        assert!(!parsed.families.is_empty());
        let (_, page, _) =
            render(&["--set", set, "--format", "openmetrics", "--cluster-name", "c-1"], &seed());
        let parsed = openmetrics_parser::openmetrics::parse_openmetrics(&page).expect("OpenMetrics is valid");
        assert!(!parsed.families.is_empty());
    }
}

#[test]
fn the_names_of_modules_come_from_the_configuration_file_before_the_crd() {
    let config = std::env::temp_dir().join(format!("catalog-{}.yaml", std::process::id()));
    std::fs::write(&config, "modules: [{name: scaler, group: operator.kyma-project.io, resource: kedas}]")
        .unwrap();
    let (_, page, _) = render(&["--config", config.to_str().unwrap()], KEDA);
    std::fs::remove_file(&config).unwrap();
    assert!(page.contains(r#"name="scaler""#), "{page}");
    let (_, page, _) = render(&[], KEDA);
    assert!(page.contains(r#"name="keda""#), "{page}");
}

#[test]
fn a_list_of_kubectl_is_its_items() {
    let list = r#"{"apiVersion": "operator.kyma-project.io/v1alpha1", "kind": "KedaList", "items": [
        {"metadata": {"name": "a"}, "status": {"state": "Ready"}}, {"metadata": {"name": "b"}, "status": {"state": "Error"}}]}"#;
    let (code, page, error) = render(&[], list);
    assert_eq!((code, error.as_str()), (0, ""));
    assert_eq!(page.lines().filter(|line| line.contains(r#"name="keda""#)).count(), 2, "{page}");
}

#[test]
fn a_bad_document_is_named_and_the_good_ones_are_rendered() {
    let input = format!(
        "{KEDA}---\nkind: [\n---\nkind: Keda\n---\napiVersion: v1\nkind: Node\n---\nhello\n---{KEDA}"
    );
    let (code, page, error) = render(&[], &input.replacen("name: default", "name: other", 1));
    assert_eq!(code, 1);
    assert_eq!(page.lines().filter(|line| line.contains(r#"state="Ready""#)).count(), 2, "{page}");
    insta::assert_snapshot!(error);
}

#[test]
fn of_two_versions_of_one_object_the_higher_stays() {
    let input = format!("{KEDA}---{}", KEDA.replace("v1alpha1", "v1beta1").replace("Ready", "Warning"));
    let (code, page, error) = render(&[], &input);
    assert_eq!(code, 0);
    assert!(page.contains("Warning") && !page.contains("Ready\"}"), "{page}");
    insta::assert_snapshot!(error);
}

#[test]
fn what_is_malformed_in_a_status_is_a_warning() {
    let input = KEDA.replace("{state: Ready}", "{state: 5, conditions: [1, {type: A, status: \"True\"}]}");
    let (code, page, error) = render(&[], &input);
    assert_eq!(code, 0);
    assert!(page.contains(r#"type="A""#), "{page}");
    insta::assert_snapshot!(error);
    insta::assert_snapshot!(complaint(&[], &KEDA.replace("status: {state: Ready}", "")));
}

#[test]
fn a_bad_command_line_is_refused_with_exit_code_2() {
    insta::assert_snapshot!(complaint(&["--set", "everything"], ""));
    insta::assert_snapshot!(complaint(&["--time", "yesterday"], ""));
    insta::assert_snapshot!(complaint(&["--config", "no-such-file.yaml"], ""));
    insta::assert_snapshot!(complaint(&["no-such-file.yaml"], ""));
}
