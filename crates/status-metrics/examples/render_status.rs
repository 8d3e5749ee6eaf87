//! A resource's status as Prometheus text. Reads the resource as JSON from standard input:
//!
//! ```sh
//! kubectl get keda -n kyma-system default -o json | cargo run -p status-metrics --example render_status
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::error::Error;
use std::io::{IsTerminal, Read};

use serde_json::Value;
use status_metrics::text::{Format, TextBlock, exposition};
use status_metrics::{Origin, Set};
use status_model::{ModuleRef, parse};

/// Used where nothing is piped in, so that the example runs by itself.
const SAMPLE: &str = r#"{
    "apiVersion": "operator.kyma-project.io/v1alpha1", "kind": "Keda",
    "metadata": {"namespace": "kyma-system", "name": "default"},
    "status": {"state": "Warning", "conditions": [
        {"type": "Installed", "status": "True", "reason": "Verified"},
        {"type": "Configured", "status": "False", "reason": "SecretMissing"}]}}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let mut text = String::new();
    if std::io::stdin().is_terminal() {
        eprintln!("nothing is piped in: this is a sample");
        SAMPLE.clone_into(&mut text);
    } else {
        std::io::stdin().read_to_string(&mut text)?;
    }
    let resource: Value = serde_json::from_str(&text)?;

    let object = object(&resource);
    let (status, problems) = parse(&resource["status"]);
    for problem in problems {
        eprintln!("{object}: {problem}");
    }
    let (samples, left_out) = Set::Module.translate(&Origin::default(), &object, &status);
    if let Some(exceeded) = left_out {
        eprintln!("{object}: {exceeded}");
    }
    // Keep a block an object, make it anew when the object changes, and join all blocks in each scrape.
    let block = TextBlock::new([&samples]);
    print!("{}", exposition([&block], Format::Prometheus));
    Ok(())
}

/// Which object it is, from what every Kubernetes resource carries.
fn object(resource: &Value) -> ModuleRef {
    let field = |pointer| resource.pointer(pointer).and_then(Value::as_str);
    let (group, version) = field("/apiVersion").unwrap_or_default().rsplit_once('/').unwrap_or(("", "v1"));
    let kind = field("/kind").unwrap_or_default();
    let object = ModuleRef::new(group, version, kind, field("/metadata/name").unwrap_or_default());
    field("/metadata/namespace").into_iter().fold(object, ModuleRef::with_namespace)
}
