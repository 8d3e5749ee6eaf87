//! What the backend shows now: all requests folded, in the order of their arrival.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::sync::Arc;

use crate::point::{Attributes, Point, Value};
use crate::record::{Outcome, Request};
use crate::shared::Settings;
use crate::violation::{self, Violation};

/// The identity of a series in a backend that drops resource attributes, as Prometheus does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// The name of the metric.
    pub name: String,
    /// The attributes of the point, and `job` and `instance` where the resource names a service.
    pub labels: Attributes,
}

impl SeriesKey {
    pub(crate) fn of(point: &Point) -> Self {
        let mut labels = point.attributes.clone();
        for (label, attribute) in [("job", "service.name"), ("instance", "service.instance.id")] {
            if let Some(value) = point.resource.get(attribute) {
                labels.entry(label.to_owned()).or_insert_with(|| value.clone());
            }
        }
        Self { name: point.name.clone(), labels }
    }

    /// The same series without these labels.
    pub(crate) fn without(&self, labels: &[&str]) -> Self {
        let kept = self.labels.iter().filter(|(key, _)| !labels.contains(&key.as_str()));
        Self {
            name: self.name.clone(),
            labels: kept.map(|(key, value)| (key.clone(), value.clone())).collect(),
        }
    }
}

impl fmt::Display for SeriesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{{", self.name)?;
        for (index, (key, value)) in self.labels.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{key}={value:?}")?;
        }
        f.write_char('}')
    }
}

/// What the backend shows, and how it came to it. Cloned cheaply inside an `Arc`.
#[derive(Debug, Clone, Default)]
pub struct View {
    requests: Vec<Arc<Request>>,
    total_requests: usize,
    series: BTreeMap<Arc<SeriesKey>, Arc<Point>>,
    exclusive: violation::Exclusive,
    newest_ms: u64,
    violations: Vec<String>,
}

impl View {
    /// Every request so far, refused ones included, in the order of their arrival; only the last ones where the
    /// backend was told to [remember](crate::Builder::remember) no more.
    pub fn requests(&self) -> &[Arc<Request>] {
        &self.requests
    }

    /// How many requests there were, whether they are remembered or not.
    pub fn total_requests(&self) -> usize {
        self.total_requests
    }

    /// The points that were taken with these requests, in the order of their arrival.
    pub fn points(&self) -> impl Iterator<Item = &Arc<Point>> {
        self.requests.iter().flat_map(|request| request.taken())
    }

    /// Every series ever seen with its last point; an ended one has a last point without a value.
    pub fn series(&self) -> impl Iterator<Item = (&SeriesKey, &Point)> {
        self.series.iter().map(|(key, point)| (&**key, &**point))
    }

    /// The series that live, sorted, each as `name{key="value",..} value`.
    pub fn live(&self) -> Vec<String> {
        self.series().filter_map(|(key, point)| point.value.map(|value| format!("{key} {value}"))).collect()
    }

    /// The series that have ended, sorted, each as `name{key="value",..}`.
    pub fn ended(&self) -> Vec<String> {
        self.series().filter(|(_, point)| point.value.is_none()).map(|(key, _)| key.to_string()).collect()
    }

    /// Every series with this metric name and at least these attributes, live or ended.
    pub fn matching<'a>(
        &'a self,
        name: &'a str,
        attributes: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = (&'a SeriesKey, &'a Point)> {
        self.series().filter(move |(key, _)| {
            let has = |(label, value): &(&str, &str)| key.labels.get(*label).is_some_and(|it| it == value);
            key.name == name && attributes.iter().all(has)
        })
    }

    /// The value of the first live series with this metric name and at least these attributes.
    pub fn value(&self, name: &str, attributes: &[(&str, &str)]) -> Option<Value> {
        self.matching(name, attributes).find_map(|(_, point)| point.value)
    }

    /// What a strict receiver would have refused or shown wrongly, in the order of arrival; see
    /// [the crate's documentation](crate#violations). Empty is what a test asserts at its end.
    pub fn violations(&self) -> Vec<String> {
        self.violations.clone()
    }

    /// The newest time of any point taken, Unix time in milliseconds.
    pub(crate) fn newest_ms(&self) -> u64 {
        self.newest_ms
    }

    pub(crate) fn last_of(&self, key: &SeriesKey) -> Option<&Arc<Point>> {
        self.series.get(key)
    }

    /// Takes a request in. A strict backend refuses it if Prometheus would, which changes its outcome.
    pub(crate) fn take(&mut self, mut request: Request, settings: &Settings) -> Arc<Request> {
        self.total_requests += 1;
        request.number = self.total_requests;
        let mut found = Vec::new();
        if matches!(request.outcome, Outcome::Accepted | Outcome::Partial { .. }) {
            found = violation::find(self, &request);
            let reason = found.iter().find(|violation| settings.strict && violation.refused_by_prometheus());
            if let Some(reason) = reason {
                request.outcome = Outcome::Refused { message: reason.to_string() };
            }
        }
        found.extend(self.fold(request.taken()));
        let number = request.number;
        self.violations.extend(found.iter().map(|violation| format!("request {number}: {violation}")));
        let request = Arc::new(request);
        self.requests.push(Arc::clone(&request));
        self.requests.drain(..self.requests.len().saturating_sub(settings.remembered));
        request
    }

    fn fold(&mut self, points: &[Arc<Point>]) -> Vec<Violation> {
        let mut touched = BTreeSet::new();
        for point in points {
            let key = Arc::new(SeriesKey::of(point));
            touched.extend(self.exclusive.apply(&key, point.value.is_some()));
            self.newest_ms = self.newest_ms.max(point.time_unix_ms());
            self.series.insert(key, Arc::clone(point));
        }
        self.exclusive.doubled(touched)
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let live = self.live();
        writeln!(f, "{} requests, {} live series", self.total_requests, live.len())?;
        for series in live {
            writeln!(f, "  {series}")?;
        }
        for violation in &self.violations {
            writeln!(f, "  violation: {violation}")?;
        }
        Ok(())
    }
}
