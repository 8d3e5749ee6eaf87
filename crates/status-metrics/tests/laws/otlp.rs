//! OTLP: frames concatenate, times are stamped, and end markers say what ended.

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{DataPointFlags, Metric, NumberDataPoint, metric};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use status_metrics::{Batch, Frame, Metrics, Origin, Part, SETS, Set};
use status_model::{ModuleRef, ModuleStatus};

use crate::{any, expected};

fn frame(origin: &Origin, object: &ModuleRef, status: &ModuleStatus, sets: &[Set]) -> Frame {
    let sets: Vec<_> = sets.iter().map(|set| (*set, set.translate(origin, object, status).0)).collect();
    Frame::new(origin, object, &sets)
}

/// The only points of a metric that the store knows of.
pub(crate) fn gauge(metric: &Metric) -> &[NumberDataPoint] {
    match &metric.data {
        Some(metric::Data::Gauge(gauge)) => &gauge.data_points,
        other => panic!("{} is not a gauge: {other:?}", metric.name),
    }
}

pub(crate) fn decode(batch: Batch) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest::decode(batch.into_bytes().as_slice()).expect("a request is valid protobuf")
}

/// All metrics of a request, whatever their resource.
pub(crate) fn metrics_of(request: &ExportMetricsServiceRequest) -> impl Iterator<Item = &Metric> {
    let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    scopes.flat_map(|scope| &scope.metrics)
}

/// The metrics as a receiver sees them.
fn received(metrics: &Metrics, time_ms: u64) -> Vec<Metric> {
    let mut batch = Batch::default();
    batch.push(&[], &[Part { metrics, time_ms }]);
    metrics_of(&decode(batch)).cloned().collect()
}

/// Name and encoded attributes, for each point.
fn series(metrics: &[Metric]) -> BTreeSet<(String, Vec<u8>)> {
    let series = |metric: &Metric| {
        let attributes = |point: &NumberDataPoint| {
            NumberDataPoint { attributes: point.attributes.clone(), ..Default::default() }.encode_to_vec()
        };
        gauge(metric).iter().map(|point| (metric.name.clone(), attributes(point))).collect::<Vec<_>>()
    };
    metrics.iter().flat_map(series).collect()
}

proptest! {
    #[test]
    fn concatenated_frames_are_the_bytes_of_encoding_all_at_once_with_the_times_asked_for(
        origin in any::origin(),
        objects in vec((any::object(), any::status(), any::sets(), [any::time_ms(), any::time_ms()]), 0..5),
    ) {
        let mut batch = Batch::default();
        let mut at_once = ExportMetricsServiceRequest::default();
        for (object, status, sets, times) in &objects {
            let frame = frame(&origin, object, status, sets);
            let parts: Vec<_> =
                frame.sets().zip(times).map(|((_, metrics), time_ms)| Part { metrics, time_ms: *time_ms }).collect();
            batch.push(frame.resource(), &parts);
            let sets: Vec<_> = sets.iter().copied().zip(times.iter().copied()).collect();
            at_once.resource_metrics.extend(expected::resource_metrics(&origin, object, status, &sets));
        }
        let points: usize = metrics_of(&at_once).map(|metric| gauge(metric).len()).sum();
        prop_assert_eq!(batch.points(), points);
        prop_assert_eq!(batch.len(), at_once.encoded_len());
        prop_assert_eq!(batch.is_empty(), at_once.resource_metrics.is_empty());
        let bytes = batch.into_bytes();
        prop_assert_eq!(ExportMetricsServiceRequest::decode(bytes.as_slice())?, at_once.clone());
        prop_assert_eq!(bytes, at_once.encode_to_vec());
    }

    #[test]
    fn a_push_makes_a_request_longer_by_exactly_the_length_that_was_told_before(
        origin in any::origin(),
        objects in vec((any::object(), any::status(), any::sets()), 1..5),
    ) {
        let mut batch = Batch::default();
        for (object, status, sets) in &objects {
            let frame = frame(&origin, object, status, sets);
            // Every set, so that parts without a metric are among them.
            let nothing = Metrics::default();
            let metrics = SETS.map(|set| frame.set(set).unwrap_or(&nothing));
            let parts = metrics.map(|metrics| Part { metrics, time_ms: 1 });
            let (len, points) = (batch.len(), batch.points());
            batch.push(frame.resource(), &parts);
            prop_assert_eq!(batch.len(), len + Batch::len_with(frame.resource(), &parts));
            prop_assert_eq!(batch.points(), points + metrics.iter().map(|metrics| metrics.points()).sum::<usize>());
        }
    }

    #[test]
    fn each_series_has_one_end_marker_a_metric_of_its_own_with_one_point_without_a_value(
        object in any::object(),
        status in any::status(),
        time_ms in any::time_ms(),
    ) {
        for (_, metrics) in frame(&Origin::default(), &object, &status, &SETS).sets() {
            let living = received(metrics, 1);
            let markers: Vec<_> =
                metrics.markers().iter().flat_map(|marker| received(marker.metrics(), time_ms)).collect();
            prop_assert_eq!(markers.len(), metrics.points());
            for marker in &markers {
                let like = living.iter().find(|metric| metric.name == marker.name).expect("a marker has its metric");
                prop_assert_eq!((&marker.unit, &marker.description), (&like.unit, &like.description));
                let [point] = gauge(marker) else { panic!("a marker has one point: {marker:?}") };
                prop_assert_eq!(point.flags, DataPointFlags::NoRecordedValueMask as u32);
                prop_assert_eq!(point.value, None);
                prop_assert_eq!(point.time_unix_nano, time_ms * 1_000_000);
            }
            prop_assert_eq!(series(&markers), series(&living));
        }
    }

    #[test]
    fn what_ended_is_what_is_not_there_later(
        object in any::object(),
        now in any::status(),
        later in any::status(),
        shared in any::conditions(),
    ) {
        let with_shared = |status: &ModuleStatus| {
            let mut status = status.clone();
            let shared = any::read(None, &shared).conditions;
            status.conditions.retain(|own| shared.iter().all(|other| other.type_ != own.type_));
            status.conditions.extend(shared);
            status
        };
        let metrics = |status| Metrics::new(&Set::Module.translate(&Origin::default(), &object, &with_shared(status)).0);
        let (now, later) = (metrics(&now), metrics(&later));
        let ended: Vec<_> = now.ended_in(&later).iter().flat_map(|marker| received(marker.metrics(), 1)).collect();
        let (now_, later_) = (series(&received(&now, 1)), series(&received(&later, 1)));
        prop_assert_eq!(series(&ended), now_.difference(&later_).cloned().collect());
        prop_assert_eq!(now.series().len(), now.points());
        prop_assert!(now.ended_in(&now).is_empty());
    }
}
