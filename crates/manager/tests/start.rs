//! `manager run` with a bad flag or file: told before anything starts, exit code 2.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::Command;

/// What the user sees, without the time of a log line, and the exit code.
fn said(arguments: &[&str]) -> String {
    let folder = std::env::temp_dir().join(format!("status-manager-start-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let kubeconfig = "apiVersion: v1\nkind: Config\nclusters: [{name: a, cluster: {server: http://127.0.0.1:1}}]\nusers: [{name: a}]\n\
                      contexts: [{name: a, context: {cluster: a, user: a}}]\ncurrent-context: a\n";
    let files = [
        ("kubeconfig", kubeconfig),
        ("no-context", "apiVersion: v1\nkind: Config\n"),
        ("typo.yaml", "modules:\n  - {name: keda, group: g.io, plural: kedas}\n"),
    ];
    for (name, content) in files {
        std::fs::write(folder.join(name), content).unwrap();
    }
    let output = Command::new(env!("CARGO_BIN_EXE_manager"))
        .args(arguments)
        .env_clear()
        .current_dir(&folder)
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    let lines = error.lines().map(|line| line.split_once("Z ERROR ").map_or(line, |(_, said)| said));
    format!("{}\nexit code {}\n", lines.collect::<Vec<_>>().join("\n"), output.status.code().unwrap())
}

#[test]
fn what_is_wrong_is_told_before_anything_starts() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let good = ["--kubeconfig", "kubeconfig"];
    let cases: [&[&str]; 10] = [
        &["--heartbeat", "1h"],
        &["--heartbeat", "soon"],
        &["--listen", "localhost"],
        &["--log", "manager=loud"],
        &["--cluster-name", ""],
        &["--no-such-flag"],
        &["--kubeconfig", "no-such-file"],
        &["--kubeconfig", "no-context"],
        &["--config", "typo.yaml"],
        &["--config", "no-such-file.yaml"],
    ];
    let mut table: Vec<String> =
        cases.iter().map(|case| format!("# {}\n{}", case.join(" "), said(case))).collect();
    let taken = said(&[good[0], good[1], "--listen", &taken]).replace(&taken, "127.0.0.1:PORT");
    table.push(format!("# --listen, where somebody else listens\n{taken}"));
    insta::assert_snapshot!(table.join("\n"));
}
