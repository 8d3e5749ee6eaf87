//! The project's tasks: `cargo xtask VERB`.

#![expect(clippy::print_stdout, reason = "a task talks to the person who runs it")]

mod demo;
mod dependencies;
mod generate;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The project's tasks")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write the files that are generated from code
    Generate,
    /// Check that the generated files are up to date, and that dependencies point one way
    Verify,
    /// Run the main job on a cluster in memory: seven modules, a pipeline, the real manager, a real OTLP receiver
    Demo {
        /// End after one round, with exit code 1 if something did not arrive
        #[arg(long)]
        once: bool,
    },
}

fn main() -> anyhow::Result<()> {
    let root = root();
    match Cli::parse().verb {
        Verb::Generate => generate::write(&root),
        Verb::Verify => generate::check(&root).and_then(|()| dependencies::check(&root)),
        Verb::Demo { once } => tokio::runtime::Runtime::new()?.block_on(demo::run(once)),
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}
