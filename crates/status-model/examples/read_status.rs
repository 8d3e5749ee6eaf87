//! What a module's resource says about itself, read from JSON on standard input:
//!
//! ```sh
//! kubectl get telemetries -n kyma-system default -o json | cargo run -p status-model --example read_status
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::io::{IsTerminal, Read};

use serde_json::Value;
use status_model::parse;

/// Used where nothing is piped in, so that the example runs by itself.
const SAMPLE: &str = r#"{"status": {"state": "Warning", "conditions": [
    {"type": "Installed", "status": "True", "reason": "Verified"},
    {"type": "Configured", "status": "False", "reason": "SecretMissing"}]}}"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut text = String::new();
    if std::io::stdin().is_terminal() {
        eprintln!("nothing is piped in: this is a sample");
        SAMPLE.clone_into(&mut text);
    } else {
        std::io::stdin().read_to_string(&mut text)?;
    }
    let object: Value = serde_json::from_str(&text)?;

    let (status, problems) = parse(&object["status"]);
    println!("state: {}", status.state.map_or("none".to_owned(), |state| state.to_string()));
    for condition in &status.conditions {
        println!("{}: {} ({})", condition.type_, condition.status, condition.reason);
    }
    for problem in problems {
        println!("left out: {problem}");
    }
    Ok(())
}
