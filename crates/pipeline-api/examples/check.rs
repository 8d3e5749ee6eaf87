//! Checks a MetricPipeline without a cluster, and prints the conditions that it would get.
//!
//! ```sh
//! cargo run -p pipeline-api --example check -- pipeline.yaml
//! ```
//!
//! Without a file, it checks a pipeline of its own, whose Secret exists but lacks a key.

#![expect(clippy::print_stdout, reason = "an example prints what it finds")]

use std::error::Error;
use std::time::SystemTime;

use pipeline_api::{
    FlowHealth, GatewayHealth, Lookup, MetricPipeline, ModulesObservation, Observed, Referenced, Secret,
    ServiceAccount, references, resolve, status,
};

const EXAMPLE: &str = r"
apiVersion: telemetry.kyma-project.io/v1alpha1
kind: MetricPipeline
metadata:
  name: backend
spec:
  input:
    kyma:
      enabled: true
  output:
    otlp:
      endpoint:
        value: https://backend.example.com:4317
      headers:
        - name: x-token
          prefix: Bearer
          valueFrom:
            secretKeyRef: {namespace: default, name: backend, key: token}
      tls:
        ca:
          valueFrom:
            secretKeyRef: {namespace: default, name: backend, key: ca.crt}
";

fn main() -> Result<(), Box<dyn Error>> {
    let yaml = match std::env::args().nth(1) {
        Some(file) => std::fs::read_to_string(file)?,
        None => EXAMPLE.to_owned(),
    };
    let pipeline: MetricPipeline = serde_saphyr::from_str(&yaml)?;

    // A manager looks these up in the cluster; here every Secret has a token and nothing else.
    let mut found = Referenced::new();
    for reference in references(&pipeline.spec) {
        let is_token = reference.key == "token";
        let lookup = if is_token { Lookup::Found(Secret::new("s3cret")) } else { Lookup::KeyMissing };
        found.insert(reference, lookup);
    }

    let now = SystemTime::now();
    let resolved = resolve(&pipeline.spec, &found, now);
    let observed = Observed {
        generation: pipeline.metadata.generation,
        configuration: resolved.as_ref(),
        gateway: GatewayHealth::Ready,
        flow: FlowHealth::NothingSentYet,
        modules: ModulesObservation::Pending,
        manager: &ServiceAccount::default(),
    };
    println!("{:?}\n", pipeline.spec);
    for condition in status(&observed, pipeline.status.as_ref(), now).conditions {
        println!("{}={} {}", condition.type_, condition.status, condition.reason);
        println!("  {}", condition.message);
    }
    Ok(())
}
