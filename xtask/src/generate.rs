//! Files that are generated from code, committed, and checked by the code that writes them.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, bail};
use status_metrics::{Family, SETS, Set, text::text_name};

/// Path and content of each generated file.
fn files() -> anyhow::Result<Vec<(&'static str, String)>> {
    Ok(vec![("deploy/crd/metricpipelines.yaml", crd()?), ("docs/metrics.md", metrics()?)])
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
    let yaml = serde_saphyr::to_string(&pipeline_api::crd()).context("writing the CRD as YAML")?;
    Ok(format!("# Generated from crates/pipeline-api by `cargo xtask generate`.\n{yaml}"))
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
    Ok(page)
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
