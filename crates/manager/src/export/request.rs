//! Changes become requests: stamped, and below the size that a default receiver takes. Pure.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::sync::Arc;

use bytes::Bytes;
use status_metrics::{Batch, Change, Changes, EndedObject, Part, Set, StoredObject};

/// A request is closed before it gets larger. A receiver takes 4 MiB by default, and one object with its end markers, which
/// is never torn apart, stays below the difference.
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
