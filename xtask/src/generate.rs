//! Files that are generated from code, committed, and checked by the code that writes them.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, bail};
use manager::families::{OWN_FAMILIES, OwnFamily, OwnKind, SCOPE_NAME};
use manager::rights::Rights;
use serde::Serialize;
use status_metrics::{Family, SETS, Set, text::text_name};

/// Path and content of each generated file.
fn files() -> anyhow::Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("deploy/crd/metricpipelines.yaml", crd()?),
        ("deploy/rbac/rbac.yaml", rbac()?),
        ("docs/metrics.md", metrics()?),
    ])
}

pub(crate) fn write(root: &Path) -> anyhow::Result<()> {
    for (path, content) in files()? {
        let file = root.join(path);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        }
        std::fs::write(&file, content).with_context(|| format!("writing {path}"))?;
        println!("wrote {path}");
    }
    Ok(())
}

pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    for (path, content) in files()? {
        let committed =
            std::fs::read_to_string(root.join(path)).with_context(|| format!("reading {path}"))?;
        if let Some(line) = first_difference(&committed, &content) {
            bail!("{path} is not what the code says, from line {line} on: run `cargo xtask generate`");
        }
    }
    println!("generated files are up to date");
    Ok(())
}

fn first_difference(a: &str, b: &str) -> Option<usize> {
    if a == b {
        return None;
    }
    let same = a.lines().zip(b.lines()).take_while(|(a, b)| a == b).count();
    Some(same + 1)
}

fn crd() -> anyhow::Result<String> {
    let yaml = yaml(&pipeline_api::crd())?;
    Ok(format!("# Generated from crates/pipeline-api by `cargo xtask generate`.\n{yaml}"))
}

fn rbac() -> anyhow::Result<String> {
    let rights = Rights::default_installation();
    let mut page = String::from("# Generated from crates/manager/src/rights.rs by `cargo xtask generate`.\n");
    let mut add = |document: &dyn Fn() -> anyhow::Result<String>| -> anyhow::Result<()> {
        if page.lines().count() > 1 {
            page.push_str("---\n");
        }
        page.push_str(&document()?);
        Ok(())
    };
    add(&|| yaml(&rights.service_account))?;
    rights.cluster_roles.iter().try_for_each(|role| add(&|| yaml(role)))?;
    rights.roles.iter().try_for_each(|role| add(&|| yaml(role)))?;
    rights.cluster_role_bindings.iter().try_for_each(|binding| add(&|| yaml(binding)))?;
    rights.role_bindings.iter().try_for_each(|binding| add(&|| yaml(binding)))?;
    Ok(page)
}

fn yaml(document: &impl Serialize) -> anyhow::Result<String> {
    serde_saphyr::to_string(document).context("writing YAML")
}

fn metrics() -> anyhow::Result<String> {
    let mut page = String::from(
        "<!-- Generated from crates/status-metrics by `cargo xtask generate`. -->\n\n# Metrics\n\n\
         Every metric set, from the table of families. The text name is that of `/metrics` and, but for the set `resource`, of\n\
         Prometheus after an OTLP push; there Prometheus appends `_ratio` for the unit `1`.\n",
    );
    for set in SETS {
        set_table(&mut page, set)?;
    }
    own_table(&mut page)?;
    Ok(page)
}

fn own_table(page: &mut String) -> anyhow::Result<()> {
    writeln!(
        page,
        "\n## The manager itself\n\nScope `{SCOPE_NAME}`, with the resource attributes `service.name`, `service.version` and \
         `service.instance.id`\n(on `/metrics`: the labels of `target_info`).\n\n\
         | metric | text name | kind | unit | attributes | meaning |\n|---|---|---|---|---|---|"
    )?;
    for OwnFamily { name, help, unit, kind, labels, .. } in OWN_FAMILIES {
        let (kind, suffix) = match kind {
            OwnKind::Counter => ("counter", "_total"),
            OwnKind::Histogram => ("histogram", ""),
            _ => ("gauge", ""),
        };
        let seconds = if unit == "s" { "_seconds" } else { "" };
        let attributes: Vec<_> = labels.iter().map(|key| format!("`{key}`")).collect();
        let (text, attributes) = (text_name(name), attributes.join(", "));
        writeln!(
            page,
            "| `{name}` | `{text}{seconds}{suffix}` | {kind} | `{unit}` | {attributes} | {help} |"
        )?;
    }
    Ok(())
}

fn set_table(page: &mut String, set: Set) -> anyhow::Result<()> {
    writeln!(
        page,
        "\n## Set `{set}`\n\n| metric | text name | unit | attributes | meaning |\n|---|---|---|---|---|"
    )?;
    for Family { name, help, unit, labels, context, .. } in set.families() {
        let attributes: Vec<_> = labels.iter().chain(*context).map(|key| format!("`{key}`")).collect();
        let attributes = attributes.join(", ");
        writeln!(page, "| `{name}` | `{}` | `{unit}` | {attributes} | {help} |", text_name(name))?;
    }
    Ok(())
}
