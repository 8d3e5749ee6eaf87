//! The direction of dependencies (ARCHITECTURE.md), asserted with `cargo tree`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

/// A crate, and what it must not depend on, with all its features.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("status-model", &["kube", "tokio", "hyper", "status-metrics", "pipeline-api", "manager"]),
    ("status-metrics", &["kube", "tokio", "hyper", "pipeline-api", "manager"]),
    ("pipeline-api", &["tokio", "hyper", "status-metrics", "manager"]),
    ("manager", &["memory-api", "memory-backend"]),
];

pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    for (package, forbidden) in FORBIDDEN {
        let dependencies = dependencies(root, package)?;
        if let Some(found) = forbidden.iter().find(|name| dependencies.iter().any(|own| own == *name)) {
            bail!(
                "{package} depends on {found}: see `cargo tree -p {package} -i {found} -e normal --all-features`"
            );
        }
    }
    println!("dependencies point one way");
    Ok(())
}

fn dependencies(root: &Path, package: &str) -> anyhow::Result<Vec<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = [
        "tree",
        "--package",
        package,
        "--edges",
        "normal",
        "--all-features",
        "--prefix",
        "none",
        "--format",
        "{lib}",
    ];
    let output =
        Command::new(cargo).args(arguments).current_dir(root).output().context("running cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let names = String::from_utf8_lossy(&output.stdout).replace('_', "-");
    Ok(names.lines().map(str::to_owned).collect())
}
