//! Whose CRD is in the cluster.
//!
//! Another manager may have installed a MetricPipeline of its own under the same name. Its objects must not be
//! reconciled, so the schema that the API server publishes is looked at first; reading it needs no right of its own.

use std::collections::BTreeMap;

use serde_json::Value;

const GROUP: &str = "telemetry.kyma-project.io";
const VERSION: &str = "v1alpha1";
const KIND: &str = "MetricPipeline";

/// Whose MetricPipeline the API server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrdOwner {
    /// Ours: it can be reconciled.
    Ours,
    /// Nobody's: there is none.
    NotInstalled,
    /// Another manager's: nothing may be written.
    Foreign(ForeignCrd),
}

/// How another manager's CRD was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForeignCrd {
    /// There is a MetricPipeline, but not in our version.
    WithoutVersion,
    /// Our version has no `spec.input.kyma`.
    WithoutKymaInput,
}

/// The versions of our group in the index `/openapi/v3`; the document of each is at
/// `/openapi/v3/apis/telemetry.kyma-project.io/VERSION`.
pub fn served_versions(index: &Value) -> Vec<String> {
    let paths = index.get("paths").and_then(Value::as_object).into_iter().flatten();
    let version = |(path, _): (&String, &Value)| {
        path.strip_prefix("apis/")?.strip_prefix(GROUP)?.strip_prefix('/').map(str::to_owned)
    };
    let mut versions: Vec<String> = paths.filter_map(version).collect();
    versions.sort_unstable();
    versions
}

/// Recognises the owner from the `OpenAPI` document of each served version of our group.
pub fn recognise(documents: &BTreeMap<String, Value>) -> CrdOwner {
    let schema = |version: &str| pipeline_schema(documents.get(version)?, version);
    if let Some(schema) = schema(VERSION) {
        return match schema.pointer("/properties/spec/properties/input/properties/kyma") {
            Some(_) => CrdOwner::Ours,
            None => CrdOwner::Foreign(ForeignCrd::WithoutKymaInput),
        };
    }
    if documents.keys().any(|version| schema(version).is_some()) {
        return CrdOwner::Foreign(ForeignCrd::WithoutVersion);
    }
    CrdOwner::NotInstalled
}

impl CrdOwner {
    /// What the log and `/readyz` say; `None` where all is well.
    pub fn message(&self) -> Option<&'static str> {
        match self {
            Self::Ours => None,
            Self::NotInstalled => Some("CRD not installed"),
            Self::Foreign(_) => {
                Some("MetricPipeline CRD of another manager; it is left alone, and nothing is sent")
            }
        }
    }
}

fn pipeline_schema<'a>(document: &'a Value, version: &str) -> Option<&'a Value> {
    let mut schemas = document.pointer("/components/schemas")?.as_object()?.iter();
    schemas.find(|(name, schema)| is_pipeline(name, schema, version)).map(|(_, schema)| schema)
}

/// By the extension that the API server sets, or by the name that it makes of group, version and kind.
fn is_pipeline(name: &str, schema: &Value, version: &str) -> bool {
    let kinds = schema.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
    match kinds {
        Some(kinds) => kinds
            .iter()
            .any(|kind| kind["group"] == GROUP && kind["version"] == version && kind["kind"] == KIND),
        None => name == format!("io.kyma-project.telemetry.{version}.{KIND}"),
    }
}
