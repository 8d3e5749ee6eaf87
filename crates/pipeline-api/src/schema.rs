//! The CRD, as it is applied to a cluster.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::pipeline::MetricPipeline;
use crate::value::ValueType;

/// The largest PEM that may stand in a spec: room for a bundle of a hundred authorities.
const PEM_MAX_LENGTH: u32 = 262_144;

/// The `CustomResourceDefinition` of [`MetricPipeline`]; equal calls give equal definitions.
///
/// ```
/// let crd = pipeline_api::crd();
/// assert_eq!(crd.metadata.name.as_deref(), Some("metricpipelines.telemetry.kyma-project.io"));
/// ```
pub fn crd() -> CustomResourceDefinition {
    let mut crd = MetricPipeline::crd();
    for version in &mut crd.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            finish(schema);
            // Nothing can be sent or served without a spec, and the API server should say so.
            schema.required = Some(vec!["spec".to_owned()]);
        }
    }
    crd
}

/// An absent field is absent: `null` is not a second way to say it, as in every CRD made from Go types.
fn finish(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    for property in schema.properties.iter_mut().flat_map(|properties| properties.values_mut()) {
        finish(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        finish(items);
    }
}

/// The schema of a value that is a PEM: the same as [`ValueType`], but longer.
pub(crate) fn pem_value(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<ValueType>();
    if let Some(max_length) = schema.pointer_mut("/properties/value/maxLength") {
        *max_length = PEM_MAX_LENGTH.into();
    }
    schema
}

/// `metav1.Condition` with the bounds that the Go tools generate, as a list map keyed by type.
pub(crate) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": condition(),
    })
}

fn condition() -> Value {
    serde_json::json!({
        "description": "Condition contains details for one aspect of the current state of this API Resource.",
        "type": "object",
        "required": ["lastTransitionTime", "message", "reason", "status", "type"],
        "properties": {
            "lastTransitionTime": {
                "description": "The last time the condition transitioned from one status to another.",
                "type": "string",
                "format": "date-time",
            },
            "message": {
                "description": "A human readable message indicating details about the transition.",
                "type": "string",
                "maxLength": 32768,
            },
            "observedGeneration": {
                "description": "The .metadata.generation that the condition was set based upon.",
                "type": "integer",
                "format": "int64",
                "minimum": 0,
            },
            "reason": {
                "description": "A programmatic identifier indicating the reason for the condition's last transition.",
                "type": "string",
                "minLength": 1,
                "maxLength": 1024,
                "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
            },
            "status": {
                "description": "The status of the condition, one of True, False, Unknown.",
                "type": "string",
                "enum": ["True", "False", "Unknown"],
            },
            "type": {
                "description": "The type of the condition in CamelCase.",
                "type": "string",
                "maxLength": 316,
                "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
            },
        },
    })
}
