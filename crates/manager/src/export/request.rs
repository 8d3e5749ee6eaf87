//! Changes become requests: stamped, and below the size that a default receiver takes. Pure.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::sync::Arc;

use bytes::Bytes;
use status_metrics::{Batch, Change, Changes, EndedObject, Part, Set, StoredObject};

/// A request is closed before it gets larger. A receiver takes 4 MiB by default; one object with what it replaced, which is never
/// torn apart, stays below that.
const LIMIT: usize = 3 * 1024 * 1024;

/// How points get their times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    /// `None`: each change gets the time at which it was received.
    pub(crate) at_ms: Option<u64>,
    /// Every time is later than this, so that times strictly increase for each series.
    pub(crate) floor_ms: u64,
}

impl Stamp {
    fn time(self, changed_ms: u64) -> u64 {
        self.at_ms.unwrap_or(changed_ms).max(self.floor_ms.saturating_add(1))
    }
}

/// One export request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Request {
    /// The bytes of an `ExportMetricsServiceRequest`.
    pub(crate) body: Bytes,
    /// How many points it has, end markers included.
    pub(crate) points: usize,
    /// The newest time in it.
    pub(crate) newest_ms: u64,
    /// When the oldest change in it was received.
    pub(crate) changed_ms: Option<u64>,
}

/// The requests that tell some changes, one at a time.
pub(crate) struct Requests {
    changes: Peekable<std::vec::IntoIter<(Arc<BTreeSet<Set>>, Change)>>,
    stamp: Stamp,
}

impl Requests {
    /// Tells of each source the changes in the sets that are given with it.
    pub(crate) fn new(told: Vec<(BTreeSet<Set>, Changes)>, stamp: Stamp) -> Self {
        let mut all = Vec::new();
        for (sets, changes) in told {
            let sets = Arc::new(sets);
            for change in changes.objects.into_values() {
                all.extend(
                    parted(&sets, change, stamp).into_iter().map(|change| (Arc::clone(&sets), change)),
                );
            }
        }
        Self { changes: all.into_iter().peekable(), stamp }
    }
}

impl Iterator for Requests {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        let mut batch = Batch::default();
        let (mut newest_ms, mut changed_ms) = (0, None);
        while let Some((sets, change)) = self.changes.peek() {
            let units = units(sets, change, self.stamp);
            let len: usize = units.iter().map(Unit::len).sum();
            if !batch.is_empty() && batch.len() + len > LIMIT {
                break;
            }
            for unit in &units {
                batch.push(unit.resource, &unit.parts);
                newest_ms = unit.parts.iter().map(|part| part.time_ms).fold(newest_ms, u64::max);
            }
            if !units.is_empty() {
                changed_ms = changed_at(change).into_iter().chain(changed_ms).min();
            }
            self.changes.next();
        }
        let points = batch.points();
        let body = Bytes::from(batch.into_bytes());
        (!body.is_empty()).then_some(Request { body, points, newest_ms, changed_ms })
    }
}

/// What goes under one resource.
struct Unit<'a> {
    resource: &'a [u8],
    parts: Vec<Part<'a>>,
}

impl Unit<'_> {
    fn len(&self) -> usize {
        Batch::len_with(self.resource, &self.parts)
    }
}

/// Values first, end markers behind them; markers of a former resource (another version of the API, say) under that.
fn units<'a>(sets: &BTreeSet<Set>, change: &'a Change, stamp: Stamp) -> Vec<Unit<'a>> {
    let mut units: Vec<Unit<'a>> = Vec::new();
    units.extend(change.object.as_ref().map(|object| values(sets, object, stamp)));
    for ended in &change.ended {
        let markers = markers(sets, ended, stamp);
        match units.iter_mut().find(|unit| *unit.resource == *ended.resource) {
            Some(unit) => unit.parts.extend(markers),
            None => units.push(Unit { resource: &ended.resource, parts: markers }),
        }
    }
    units.retain(|unit| !unit.parts.is_empty());
    units
}

fn values<'a>(sets: &BTreeSet<Set>, object: &'a StoredObject, stamp: Stamp) -> Unit<'a> {
    let frame = object.rendered().frame();
    let time_ms = stamp.time(object.changed_ms());
    let parts =
        frame.sets().filter(|(set, _)| sets.contains(set)).map(|(_, metrics)| Part { metrics, time_ms });
    Unit { resource: frame.resource(), parts: parts.collect() }
}

fn markers<'a>(sets: &BTreeSet<Set>, ended: &'a EndedObject, stamp: Stamp) -> Vec<Part<'a>> {
    let time_ms = stamp.time(ended.at_ms);
    let series = ended.series.iter().filter(|series| sets.contains(&series.set));
    series.map(|series| Part { metrics: series.marker.metrics(), time_ms }).collect()
}

fn changed_at(change: &Change) -> Option<u64> {
    let ended = change.ended.iter().map(|ended| ended.at_ms);
    change.object.iter().map(|object| object.changed_ms()).chain(ended).min()
}

/// An object that ended many series in a short time can have more end markers than fit: the newest go with the object,
/// the others in requests of their own.
fn parted(sets: &BTreeSet<Set>, change: Change, stamp: Stamp) -> Vec<Change> {
    let size = |change: &Change| units(sets, change, stamp).iter().map(Unit::len).sum::<usize>();
    if change.ended.len() < 2 || size(&change) <= LIMIT {
        return vec![change];
    }
    let mut parts = vec![Change { object: change.object, ended: Vec::new() }];
    for ended in change.ended.into_iter().rev() {
        let mut last = parts.pop().unwrap_or_default();
        last.ended.push(Arc::clone(&ended));
        if size(&last) > LIMIT && last.ended.len() > 1 {
            last.ended.pop();
            parts.push(last);
            last = Change { object: None, ended: vec![ended] };
        }
        parts.push(last);
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, metric};
    use prost::Message;
    use serde_json::json;
    use status_metrics::{ObjectKey, Origin, Rendered, Store};
    use status_model::{ModuleRef, parse};

    use super::*;

    const DEFAULT_RECEIVER: usize = 4 * 1024 * 1024;

    /// Sets an object with so many conditions, each with a reason of so many bytes.
    fn apply(store: &Store, name: &str, conditions: usize, reason: &str, at_ms: u64) {
        let object = ModuleRef::new("g.io", "v1", "Keda", name);
        let condition = |n| json!({"type": format!("T{n}"), "status": "True", "reason": reason});
        let conditions: Vec<_> = (0..conditions).map(condition).collect();
        let (status, _) = parse(&json!({"state": "Ready", "conditions": conditions}));
        let samples = Set::Module.translate(&Origin::default(), &object, &status).0;
        let rendered = Rendered::new(&Origin::default(), &object, &[(Set::Module, samples)]);
        store.apply(ObjectKey::from(&object), rendered, at_ms);
    }

    fn points(request: &Request) -> Vec<(String, NumberDataPoint)> {
        let message = ExportMetricsServiceRequest::decode(request.body.clone()).unwrap();
        let scopes = message.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
        let of = |metric: opentelemetry_proto::tonic::metrics::v1::Metric| {
            let Some(metric::Data::Gauge(gauge)) = metric.data else { panic!("not a gauge") };
            gauge.data_points.into_iter().map(move |point| (metric.name.clone(), point)).collect::<Vec<_>>()
        };
        scopes.flat_map(|scope| scope.metrics).flat_map(of).collect()
    }

    fn requests(changes: Changes, stamp: Stamp) -> Vec<Request> {
        Requests::new(vec![([Set::Module].into(), changes)], stamp).collect()
    }

    #[test]
    fn everything_is_told_once_in_requests_that_a_default_receiver_takes() {
        let store = Store::new();
        for n in 0..200 {
            apply(&store, &format!("keda-{n}"), 100, &"r".repeat(300), 1_000);
        }
        let requests = requests(store.complete(0), Stamp { at_ms: Some(5_000), floor_ms: 0 });
        assert!(requests.len() > 1);
        let mut series = HashSet::new();
        for request in &requests {
            assert!(request.body.len() < DEFAULT_RECEIVER, "{} bytes", request.body.len());
            let points = points(request);
            assert_eq!(points.len(), request.points);
            assert!(points.iter().all(|(_, point)| point.time_unix_nano == 5_000_000_000));
            let all_new = points
                .into_iter()
                .all(|(name, point)| series.insert((name, format!("{:?}", point.attributes))));
            assert!(all_new, "a series is there twice");
        }
        assert_eq!(series.len(), 200 * 101);
    }

    #[test]
    fn an_object_that_ended_more_than_fits_is_told_in_several_requests() {
        let store = Store::new();
        for n in 0..12 {
            apply(&store, "keda", 1_000, &format!("{n}{}", "r".repeat(200)), 1_000 + n);
        }
        let requests = requests(store.complete(0), Stamp { at_ms: None, floor_ms: 0 });
        assert!(requests.len() > 1);
        assert!(requests.iter().all(|request| request.body.len() < DEFAULT_RECEIVER));
        let flagged =
            |request: &Request| points(request).iter().filter(|(_, point)| point.flags == 1).count();
        // The state is the same in all of them.
        assert_eq!(requests.iter().map(flagged).sum::<usize>(), 11 * 999);
        assert_eq!(requests[0].points - flagged(&requests[0]), 1_000, "the values, and some ends");
        assert!(flagged(&requests[0]) > 0, "the newest end goes with the values that replaced it");
    }

    #[test]
    fn a_change_has_the_time_at_which_it_came_but_no_earlier_one_than_before() {
        let store = Store::new();
        apply(&store, "early", 0, "", 1_000);
        apply(&store, "late", 0, "", 3_000);
        let requests = requests(store.complete(0), Stamp { at_ms: None, floor_ms: 2_000 });
        let times: Vec<_> =
            points(&requests[0]).iter().map(|(_, point)| point.time_unix_nano / 1_000_000).collect();
        assert_eq!(times, [2_001, 3_000]);
        assert_eq!((requests[0].newest_ms, requests[0].changed_ms), (3_000, Some(1_000)));
    }

    #[test]
    fn nothing_to_tell_is_no_request() {
        assert_eq!(requests(Changes::default(), Stamp { at_ms: None, floor_ms: 0 }), []);
        let store = Store::new();
        apply(&store, "keda", 1, "", 1);
        let told = vec![([Set::Resource].into(), store.complete(0))];
        assert_eq!(Requests::new(told, Stamp { at_ms: None, floor_ms: 0 }).count(), 0, "of another set");
    }
}
