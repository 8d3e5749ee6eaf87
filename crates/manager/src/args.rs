//! The command line. Every flag has an environment variable.

use clap::{Parser, Subcommand};

use crate::{flags, render};

/// Exports the status of Kyma modules as metrics.
#[derive(Debug, Parser)]
#[command(name = "manager", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: flags::Args,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch a cluster and export metrics, as each MetricPipeline asks (the default)
    Run(flags::Args),
    /// Print the metrics of custom resources from files or standard input, without a cluster
    Render(render::Args),
}

/// Reads the command line; a mistake in it ends the process with exit code 2.
pub(crate) fn parse() -> Command {
    let Cli { command, run } = Cli::parse();
    command.unwrap_or(Command::Run(run))
}
