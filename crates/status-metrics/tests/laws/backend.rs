//! A backend that is told of changes as the operator tells them: what it shows in the end, and what every request keeps.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{DataPointFlags, Metric, NumberDataPoint, number_data_point};
use prost::Message;
use status_metrics::{Batch, Change, Changes, Part, Rendered};

use crate::otlp::{decode, gauge, metrics_of};

/// The value of each series that is shown. A backend drops resource attributes, as Prometheus does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Backend(BTreeMap<Series, i64>);

/// The metric's name and the encoded attributes.
type Series = (String, Vec<u8>);

fn series(metric: &Metric, point: &NumberDataPoint) -> Series {
    let attributes = NumberDataPoint { attributes: point.attributes.clone(), ..Default::default() };
    (metric.name.clone(), attributes.encode_to_vec())
}

fn value(point: &NumberDataPoint) -> i64 {
    match point.value {
        Some(number_data_point::Value::AsInt(value)) => value,
        other => panic!("not an integer: {other:?}"),
    }
}

fn is_marker(point: &NumberDataPoint) -> bool {
    point.flags == DataPointFlags::NoRecordedValueMask as u32
}

/// One request that tells all changes: of each object its values, then its end markers; those of a former resource under that.
fn request(changes: &Changes) -> ExportMetricsServiceRequest {
    let mut batch = Batch::default();
    for change in changes.objects.values() {
        for (resource, parts) in units(change) {
            batch.push(resource, &parts);
        }
    }
    decode(batch)
}

fn units(change: &Change) -> Vec<(&[u8], Vec<Part<'_>>)> {
    let mut units: Vec<(&[u8], Vec<Part<'_>>)> = Vec::new();
    if let Some(object) = &change.object {
        let frame = object.rendered().frame();
        let values = frame.sets().map(|(_, metrics)| Part { metrics, time_ms: object.changed_ms() });
        units.push((frame.resource(), values.collect()));
    }
    for ended in &change.ended {
        let markers = ended.series.iter().map(|series| series.marker.metrics());
        let markers = markers.map(|metrics| Part { metrics, time_ms: ended.at_ms });
        match units.iter_mut().find(|(resource, _)| **resource == *ended.resource) {
            Some((_, parts)) => parts.extend(markers),
            None => units.push((&ended.resource, markers.collect())),
        }
    }
    units
}

impl Backend {
    /// What is shown of objects by a backend that was told of nothing else.
    pub(crate) fn showing<'a>(objects: impl IntoIterator<Item = &'a Rendered>) -> Self {
        let mut batch = Batch::default();
        for object in objects {
            let values = object.frame().sets().map(|(_, metrics)| Part { metrics, time_ms: 0 });
            batch.push(object.frame().resource(), &values.collect::<Vec<_>>());
        }
        let mut shown = BTreeMap::new();
        for metric in metrics_of(&decode(batch)) {
            shown.extend(gauge(metric).iter().map(|point| (series(metric, point), value(point))));
        }
        Self(shown)
    }

    /// Tells changes in one request. Now `living` is what there is.
    pub(crate) fn tell(&mut self, changes: &Changes, living: &Self) {
        let mut told = BTreeSet::new();
        for resource in &request(changes).resource_metrics {
            let mut markers_began = false;
            for metric in resource.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
                let points = gauge(metric);
                assert!(!points.is_empty(), "a metric without points: {metric:?}");
                for point in points {
                    let series = series(metric, point);
                    assert!(told.insert(series.clone()), "two points of one series: {metric:?}");
                    if is_marker(point) {
                        assert!(points.len() == 1 && point.value.is_none(), "{metric:?}");
                        assert!(
                            !living.0.contains_key(&series),
                            "an end marker of a living series: {metric:?}"
                        );
                        self.0.remove(&series);
                        markers_began = true;
                    } else {
                        assert!(!markers_began, "a value behind an end marker: {metric:?}");
                        self.0.insert(series, value(point));
                    }
                }
            }
        }
    }
}
