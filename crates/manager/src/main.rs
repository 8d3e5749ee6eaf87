//! The operator: watches the status of Kyma modules and exports it as metrics, as a `MetricPipeline` asks.

mod args;
mod catalog;
mod document;
mod render;

use std::process::ExitCode;

fn main() -> ExitCode {
    match args::parse() {
        args::Command::Render(args) => render::main(&args),
    }
}
