//! The `MetricPipeline` resource as users write it.
//!
//! These types follow the wire form and nothing else: what they mean is decided by [`resolve`](crate::resolve()).
//! Doc comments of fields are the descriptions in the CRD. `Debug` of a spec shows no value that may be secret;
//! `Debug` of a whole [`MetricPipeline`] shows its annotations too, among them the one in which `kubectl apply`
//! keeps a copy of the spec: log the name and the spec instead.

#![expect(clippy::duplicated_attributes, reason = "each printer column names its type")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::output::MetricPipelineOutput;

/// Defines the desired state of MetricPipeline: which module status to observe, and where to send it.
#[derive(CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "telemetry.kyma-project.io",
    version = "v1alpha1",
    kind = "MetricPipeline",
    plural = "metricpipelines",
    status = "MetricPipelineStatus",
    derive = "PartialEq",
    doc = "A MetricPipeline sends the status of Kyma modules as metrics to an OTLP backend.",
    category = "kyma-telemetry",
    category = "kyma-telemetry-pipelines",
    label("kyma-project.io/module", "telemetry"),
    printcolumn(
        name = "Configuration Generated",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="ConfigurationGenerated")].status"#
    ),
    printcolumn(
        name = "Gateway Healthy",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="GatewayHealthy")].status"#
    ),
    printcolumn(
        name = "Flow Healthy",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="TelemetryFlowHealthy")].status"#
    ),
    printcolumn(
        name = "Modules Observed",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="ModulesObserved")].status"#
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct MetricPipelineSpec {
    /// Configures which status becomes metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<MetricPipelineInput>,

    /// Configures the backend to which metrics are sent. If absent, the metrics are only served for scraping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<MetricPipelineOutput>,
}

/// Configures which status becomes metrics.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MetricPipelineInput {
    /// Configures the status of Kyma modules as input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kyma: Option<KymaInput>,
}

/// Configures the status of Kyma modules as input.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KymaInput {
    /// If enabled, the status of the selected modules is sent as metrics. The default is `false`.
    #[serde(default)]
    pub enabled: bool,

    /// The names of the modules to observe. If absent or empty, every module of the manager's catalog is observed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub modules: Vec<String>,

    /// The metric sets to send. The default is `module`: one metric for the state of each module, and one for each of its
    /// conditions. The set `resource` has the names and values that the telemetry manager uses for resources.
    #[serde(default = "KymaInput::default_metrics")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "set"))]
    pub metrics: Vec<MetricSet>,
}

impl KymaInput {
    fn default_metrics() -> Vec<MetricSet> {
        vec![MetricSet::Module]
    }
}

impl Default for KymaInput {
    fn default() -> Self {
        Self { enabled: false, modules: Vec::new(), metrics: Self::default_metrics() }
    }
}

/// A set of metrics that a pipeline can ask for.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "camelCase")]
pub enum MetricSet {
    /// The state and the conditions of each module.
    Module,
    /// The state and the conditions of each resource, as the Go manager names them.
    Resource,
}

impl MetricSet {
    /// The set's name in a spec.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Resource => "resource",
        }
    }
}

/// Shows the observed state of the MetricPipeline.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MetricPipelineStatus {
    /// The conditions of the pipeline, at most one of each type.
    #[serde(default, deserialize_with = "readable_conditions", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::conditions")]
    pub conditions: Vec<Condition>,
}

/// Another writer's malformed condition must not make the pipeline unreadable.
fn readable_conditions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Condition>, D::Error> {
    let values = Option::<Vec<Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(values.into_iter().filter_map(|value| serde_json::from_value(value).ok()).collect())
}
