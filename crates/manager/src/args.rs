//! The command line. Every flag has an environment variable.

use clap::{Parser, Subcommand};

use crate::render;

/// Exports the status of Kyma modules as metrics.
#[derive(Debug, Parser)]
#[command(name = "manager", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the metrics of custom resources from files or standard input, without a cluster
    Render(render::Args),
}

/// Reads the command line; a mistake in it ends the process with exit code 2.
pub(crate) fn parse() -> Command {
    Cli::parse().command
}
