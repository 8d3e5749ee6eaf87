//! The operator: watches the status of Kyma modules and exports it as metrics, as a `MetricPipeline` asks.
//!
//! A library only so that the project's tasks can read its tables: what it writes in a cluster, and its own metrics.

mod admin;
mod args;
mod catalog;
mod causes;
mod clock;
mod discover;
mod document;
mod events;
mod export;
mod exporters;
pub mod families;
mod flags;
mod follow;
mod gates;
mod identity;
mod known;
mod leader;
mod lease;
mod log;
pub mod names;
mod observed;
mod own_text;
mod pipelines;
mod prepare;
mod push;
mod references;
mod refusal;
mod render;
mod reports;
pub mod rights;
mod run;
mod said;
mod selection;
mod signals;
mod source;
mod sources;
mod statuses;
mod telemetry;
mod term;
mod wake;
mod watch;
mod yaml;

use std::process::ExitCode;

/// The program.
pub fn main() -> ExitCode {
    match args::parse() {
        args::Command::Run(args) => run::main(&args),
        args::Command::Render(args) => render::main(&args),
    }
}
