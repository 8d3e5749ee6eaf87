//! Metrics without a time yet, and the ends of series.

use std::collections::HashSet;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    DataPointFlags, Gauge, Metric, NumberDataPoint, ScopeMetrics, Sum, metric, number_data_point,
};
use prost::Message;

use crate::family::{Family, FamilyType};
use crate::sample::{Attribute, Sample, Samples};

/// What stands for the time in stored bytes.
const TIME: u64 = 0x1111_1111_1111_1111;
/// A second stand-in, different in every byte, by which the places of the times are found.
const OTHER_TIME: u64 = 0x2222_2222_2222_2222;

/// Encoded metrics: any number of `Metric` messages as they stand in a `ScopeMetrics`, all for one moment that is not
/// set yet. Equal samples are equal bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    pub(super) bytes: Box<[u8]>,
    /// Where each `time_unix_nano` begins, ascending.
    pub(super) times: Box<[u32]>,
}

impl Metrics {
    /// Encodes samples, one `Metric` a family.
    pub fn new(samples: &Samples) -> Self {
        Self::encode(|time| {
            samples.by_family().map(|(family, samples)| metric(family, samples, time)).collect()
        })
    }

    /// One end marker for each series: a `Metric` of its own with one point that has the flag "no recorded value".
    pub fn markers(&self) -> Vec<SeriesMarker> {
        let series = decode(&self.bytes).into_iter().flat_map(|metric| {
            points(&metric).iter().map(|point| SeriesMarker::new(&metric, point)).collect::<Vec<_>>()
        });
        series.collect()
    }

    /// The series that are here and not in `later`, as markers.
    pub fn ended_in(&self, later: &Self) -> Vec<SeriesMarker> {
        if self == later {
            return Vec::new();
        }
        let living = later.series();
        self.markers().into_iter().filter(|marker| !living.contains(&marker.series)).collect()
    }

    /// What identifies each series.
    pub fn series(&self) -> HashSet<SeriesId> {
        let ids = decode(&self.bytes).into_iter().flat_map(|metric| {
            points(&metric).iter().map(|point| SeriesId::new(&metric, point)).collect::<Vec<_>>()
        });
        ids.collect()
    }

    /// How many points there are.
    pub fn points(&self) -> usize {
        self.times.len()
    }

    /// Whether there is no metric.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn encode(metrics_at: impl Fn(u64) -> Vec<Metric>) -> Self {
        let encoded = |time| ScopeMetrics { metrics: metrics_at(time), ..Default::default() }.encode_to_vec();
        let bytes = encoded(TIME);
        let times = differing_runs(&bytes, &encoded(OTHER_TIME));
        Self { bytes: bytes.into(), times: times.into() }
    }
}

/// The places where each run of eight differing bytes begins.
fn differing_runs(a: &[u8], b: &[u8]) -> Vec<u32> {
    let mut runs = Vec::new();
    let mut at = 0;
    while at < a.len() {
        if a[at] == b[at] {
            at += 1;
        } else {
            runs.push(u32::try_from(at).expect("an object's series are limited to far below 4 GiB"));
            at += size_of::<u64>();
        }
    }
    runs
}

fn decode(bytes: &[u8]) -> Vec<Metric> {
    ScopeMetrics::decode(bytes).expect("the bytes were encoded by Metrics::encode").metrics
}

fn points(metric: &Metric) -> &[NumberDataPoint] {
    match &metric.data {
        Some(metric::Data::Gauge(gauge)) => &gauge.data_points,
        Some(metric::Data::Sum(sum)) => &sum.data_points,
        _ => &[],
    }
}

/// What identifies a series: the metric's name and the encoded attributes of its points.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SeriesId {
    metric: String,
    attributes: Vec<u8>,
}

impl SeriesId {
    fn new(metric: &Metric, point: &NumberDataPoint) -> Self {
        let attributes = NumberDataPoint { attributes: point.attributes.clone(), ..Default::default() };
        Self { metric: metric.name.clone(), attributes: attributes.encode_to_vec() }
    }
}

/// The end of one series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesMarker {
    series: SeriesId,
    metrics: Metrics,
}

impl SeriesMarker {
    fn new(metric: &Metric, point: &NumberDataPoint) -> Self {
        let marker_at = |time| {
            let point = NumberDataPoint {
                attributes: point.attributes.clone(),
                time_unix_nano: time,
                flags: DataPointFlags::NoRecordedValueMask as u32,
                ..Default::default()
            };
            vec![with_points(metric, vec![point])]
        };
        Self { series: SeriesId::new(metric, point), metrics: Metrics::encode(marker_at) }
    }

    /// Which series it is.
    pub fn series(&self) -> &SeriesId {
        &self.series
    }

    /// The marker as a metric with one point.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

/// The same metric with other points. Its own are not copied: that would be quadratic for the markers of an object.
fn with_points(metric: &Metric, data_points: Vec<NumberDataPoint>) -> Metric {
    let data = match &metric.data {
        Some(metric::Data::Sum(sum)) => metric::Data::Sum(Sum {
            data_points,
            aggregation_temporality: sum.aggregation_temporality,
            is_monotonic: sum.is_monotonic,
        }),
        _ => metric::Data::Gauge(Gauge { data_points }),
    };
    Metric {
        name: metric.name.clone(),
        description: metric.description.clone(),
        unit: metric.unit.clone(),
        metadata: metric.metadata.clone(),
        data: Some(data),
    }
}

fn metric(family: &Family, samples: &[Sample], time: u64) -> Metric {
    let data_points = samples.iter().map(|sample| point(sample, time)).collect();
    Metric {
        name: family.name.into(),
        description: family.help.into(),
        unit: family.unit.into(),
        data: Some(match family.type_ {
            FamilyType::Gauge => metric::Data::Gauge(Gauge { data_points }),
        }),
        ..Default::default()
    }
}

fn point(sample: &Sample, time: u64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(&sample.attributes),
        time_unix_nano: time,
        value: Some(number_data_point::Value::AsInt(sample.value)),
        ..Default::default()
    }
}

pub(super) fn attributes(attributes: &[Attribute]) -> Vec<KeyValue> {
    let attribute = |(key, value): &Attribute| KeyValue {
        key: (*key).into(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.clone())) }),
        ..Default::default()
    };
    attributes.iter().map(attribute).collect()
}
