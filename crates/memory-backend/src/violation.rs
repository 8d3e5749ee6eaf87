//! What a strict receiver would refuse or show wrongly.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics};

use crate::point::{Measured, Point};
use crate::record::Request;
use crate::view::{SeriesKey, View};

/// Prometheus refuses what is older than this behind its newest sample, in milliseconds.
const OUT_OF_BOUNDS_MS: u64 = 60 * 60 * 1000;

/// Metrics of which one object has one series at a time, and the labels in which its series differ.
const EXCLUSIVE: &[(&str, &[&str])] = &[
    ("kyma.module.status.state", &["state"]),
    ("kyma.module.status.condition", &["status", "reason"]),
    ("kyma.resource.status.state", &["version", "state"]),
    ("kyma.resource.status.conditions", &["version", "status", "reason"]),
];

/// One thing wrong with a request. Times are Unix milliseconds.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Violation {
    #[error("{series}: out of order: {time} is before {last}")]
    OutOfOrder { series: SeriesKey, time: u64, last: u64 },
    #[error("{series}: out of bounds: {time} is more than an hour before {newest}")]
    OutOfBounds { series: SeriesKey, time: u64, newest: u64 },
    #[error("{series}: a second value at {time}: {value} after {last}")]
    SecondValue { series: SeriesKey, time: u64, value: String, last: String },
    #[error("{series}: two points in one request")]
    TwiceInRequest { series: SeriesKey },
    #[error("{series}: a point without a value and without the flag \"no recorded value\"")]
    WithoutValue { series: SeriesKey },
    #[error("{metric}: a metric without points")]
    WithoutPoints { metric: String },
    #[error("{metric}: an end marker in one metric with other points")]
    SharedMarker { metric: String },
    #[error("{metric}: a metric with values behind an end marker of {marker}")]
    ValueBehindMarker { metric: String, marker: String },
    #[error("two live series of one object: {first} and {second}")]
    TwoLive { first: SeriesKey, second: SeriesKey },
}

impl Violation {
    /// Whether Prometheus answers the whole request with 400.
    pub(crate) fn refused_by_prometheus(&self) -> bool {
        matches!(
            self,
            Self::OutOfOrder { .. }
                | Self::OutOfBounds { .. }
                | Self::SecondValue { .. }
                | Self::TwiceInRequest { .. }
        )
    }
}

/// Everything wrong with a request that is about to be folded into the view.
pub(crate) fn find(view: &View, request: &Request) -> Vec<Violation> {
    let mut found = of_layout(&request.message);
    let mut seen = HashSet::new();
    for point in &request.points {
        let series = SeriesKey::of(point);
        if seen.contains(&series) {
            found.push(Violation::TwiceInRequest { series });
            continue;
        }
        found.extend(of_point(view, &series, point));
        seen.insert(series);
    }
    found
}

/// What is wrong with a point after those before it.
fn of_point(view: &View, key: &SeriesKey, point: &Point) -> Option<Violation> {
    let time = point.time_unix_ms();
    let series = || key.clone();
    if point.value.is_none() && !point.ended {
        return Some(Violation::WithoutValue { series: series() });
    }
    if let Some(last) = view.last_of(key) {
        if time < last.time_unix_ms() {
            return Some(Violation::OutOfOrder { series: series(), time, last: last.time_unix_ms() });
        }
        // An identical retry is accepted.
        if time == last.time_unix_ms() && point.value != last.value {
            return Some(Violation::SecondValue {
                series: series(),
                time,
                value: shown(point),
                last: shown(last),
            });
        }
    }
    let newest = view.newest_ms();
    (time.saturating_add(OUT_OF_BOUNDS_MS) < newest).then(|| Violation::OutOfBounds {
        series: series(),
        time,
        newest,
    })
}

fn shown(point: &Point) -> String {
    point.value.map_or_else(|| "an end marker".to_owned(), |value| format!("the value {value}"))
}

/// What is wrong with how a message is laid out.
fn of_layout(message: &ExportMetricsServiceRequest) -> Vec<Violation> {
    message.resource_metrics.iter().flat_map(of_resource).collect()
}

/// Markers stand behind the values of their own resource: a request is the concatenation of objects.
fn of_resource(resource: &ResourceMetrics) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut marker: Option<&Metric> = None;
    for metric in resource.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
        let points = Measured::all(metric);
        let ended = points.iter().filter(|point| point.ended).count();
        let name = || metric.name.clone();
        if points.is_empty() {
            found.push(Violation::WithoutPoints { metric: name() });
        } else if ended > 0 && points.len() > 1 {
            found.push(Violation::SharedMarker { metric: name() });
        } else if let (0, Some(marker)) = (ended, marker) {
            found.push(Violation::ValueBehindMarker { metric: name(), marker: marker.name.clone() });
        }
        if ended > 0 {
            marker = Some(metric);
        }
    }
    found
}

/// The live series of the metrics of which an object has one at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exclusive {
    live: BTreeMap<SeriesKey, BTreeSet<Arc<SeriesKey>>>,
    reported: BTreeSet<SeriesKey>,
}

impl Exclusive {
    /// Notes that a series lives or ended; gives the object it belongs to, if it is one of these metrics.
    pub(crate) fn apply(&mut self, series: &Arc<SeriesKey>, lives: bool) -> Option<SeriesKey> {
        let (_, varying) = EXCLUSIVE.iter().find(|(name, _)| *name == series.name)?;
        let object = series.without(varying);
        let live = self.live.entry(object.clone()).or_default();
        if lives {
            live.insert(Arc::clone(series));
        } else {
            live.remove(series);
        }
        Some(object)
    }

    /// Those of the objects that now have two live series and had not before.
    pub(crate) fn doubled(&mut self, objects: BTreeSet<SeriesKey>) -> Vec<Violation> {
        let mut found = Vec::new();
        for object in objects {
            let mut live = self.live.get(&object).into_iter().flatten();
            if let (Some(first), Some(second)) = (live.next(), live.next()) {
                if self.reported.insert(object) {
                    let (first, second) = ((**first).clone(), (**second).clone());
                    found.push(Violation::TwoLive { first, second });
                }
            } else {
                self.reported.remove(&object);
            }
        }
        found
    }
}
