//! One object.

use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use status_model::ModuleRef;

use super::metrics::{Metrics, attributes};
use crate::family::{CLUSTER_NAME, NAMESPACE_NAME, RESOURCE_KIND, RESOURCE_NAME};
use crate::origin::Origin;
use crate::sample::Samples;
use crate::sets::Set;

/// One object in OTLP: its resource, and its metrics by set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    resource: Box<[u8]>,
    sets: Box<[(Set, Metrics)]>,
}

impl Frame {
    /// Encodes an object. A set without samples leaves no trace.
    pub fn new(origin: &Origin, object: &ModuleRef, sets: &[(Set, Samples)]) -> Self {
        let sets = sets.iter().filter(|(_, samples)| !samples.is_empty());
        Self {
            resource: resource(origin, object).encode_to_vec().into(),
            sets: sets.map(|(set, samples)| (*set, Metrics::new(samples))).collect(),
        }
    }

    /// The encoded `Resource`.
    pub fn resource(&self) -> &[u8] {
        &self.resource
    }

    /// The metrics by set.
    pub fn sets(&self) -> impl Iterator<Item = (Set, &Metrics)> {
        self.sets.iter().map(|(set, metrics)| (*set, metrics))
    }

    /// The metrics of one set.
    pub fn set(&self, set: Set) -> Option<&Metrics> {
        self.sets().find(|(own, _)| *own == set).map(|(_, metrics)| metrics)
    }
}

fn resource(origin: &Origin, object: &ModuleRef) -> Resource {
    let optional = [
        ("k8s.cluster.uid", &origin.cluster_uid),
        (CLUSTER_NAME, &origin.cluster_name),
        (NAMESPACE_NAME, &object.namespace),
    ];
    let required = [
        ("k8s.resource.group", &object.group),
        ("k8s.resource.version", &object.version),
        (RESOURCE_KIND, &object.plural),
        (RESOURCE_NAME, &object.name),
    ];
    let optional = optional.into_iter().filter_map(|(key, value)| Some((key, value.clone()?)));
    let mut all: Vec<_> =
        required.map(|(key, value)| (key, value.clone())).into_iter().chain(optional).collect();
    all.sort_unstable();
    Resource { attributes: attributes(&all), ..Default::default() }
}
