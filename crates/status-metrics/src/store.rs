//! The encoded series of one resource kind: what is true now, and what ended lately.
//!
//! The store holds bytes, not objects. Each change of an object gets a *revision*, a number that grows; a reader that
//! remembers the revision up to which its backend is told asks for what came after. What ended is kept the same way:
//! it is state with a revision, not a message, so that it can be told late, or again.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use status_model::ModuleRef;

use crate::origin::Origin;
use crate::otlp::{Frame, SeriesMarker};
use crate::sample::Samples;
use crate::sets::Set;
use crate::text::TextBlock;

/// Namespace and name of an object.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(Arc<str>);

impl ObjectKey {
    /// The key of an object; a cluster-scoped one has no namespace.
    pub fn new(namespace: Option<&str>, name: &str) -> Self {
        // Neither part can contain a slash.
        Self(format!("{}/{name}", namespace.unwrap_or_default()).into())
    }
}

impl From<&ModuleRef> for ObjectKey {
    fn from(object: &ModuleRef) -> Self {
        Self::new(object.namespace.as_deref(), &object.name)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One object in both wire forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    frame: Frame,
    text: TextBlock,
}

impl Rendered {
    /// Encodes the samples of one object.
    pub fn new(origin: &Origin, object: &ModuleRef, sets: &[(Set, Samples)]) -> Self {
        let frame = Frame::new(origin, object, sets);
        let text = TextBlock::new(sets.iter().map(|(_, samples)| samples));
        Self { frame, text }
    }

    /// The object in OTLP.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The object in the text formats.
    pub fn text(&self) -> &TextBlock {
        &self.text
    }

    /// The series that are here and not in `later`, by set.
    fn ended_in(&self, later: Option<&Self>) -> Vec<Ended> {
        let ended = self.frame.sets().flat_map(|(set, metrics)| {
            let markers = match later.and_then(|later| later.frame.set(set)) {
                Some(later) => metrics.ended_in(later),
                None => metrics.markers(),
            };
            markers.into_iter().map(move |marker| Ended { set, marker })
        });
        ended.collect()
    }
}

/// An object in the store.
#[derive(Debug, PartialEq, Eq)]
pub struct StoredObject {
    rendered: Rendered,
    changed_ms: u64,
    revision: u64,
}

impl StoredObject {
    /// The object in both wire forms.
    pub fn rendered(&self) -> &Rendered {
        &self.rendered
    }

    /// When its bytes changed last, in milliseconds since 1970.
    pub fn changed_ms(&self) -> u64 {
        self.changed_ms
    }
}

/// A series that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The metric set of the series.
    pub set: Set,
    /// Its end marker.
    pub marker: SeriesMarker,
}

/// Series of one object that ended in one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedObject {
    /// The encoded `Resource` under which the series were sent.
    pub resource: Box<[u8]>,
    /// The series.
    pub series: Vec<Ended>,
    /// When they ended, in milliseconds since 1970.
    pub at_ms: u64,
    key: ObjectKey,
}

/// What there is to tell about one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// What it is now, if that is to be told.
    pub object: Option<Arc<StoredObject>>,
    /// What ended and does not live again.
    pub ended: Vec<Arc<EndedObject>>,
}

/// What there is to tell, by object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The objects in the order of their keys.
    pub objects: BTreeMap<ObjectKey, Change>,
    /// The revision up to which this tells everything.
    pub revision: u64,
}

impl Changes {
    /// The same objects as if they all had gone at `at_ms`: what there was to tell of them is now their end.
    #[must_use]
    pub fn into_ended(mut self, at_ms: u64) -> Self {
        for (key, change) in &mut self.objects {
            let Some(object) = change.object.take() else { continue };
            let series = object.rendered.ended_in(None);
            let resource = object.rendered.frame.resource().into();
            change.ended.push(Arc::new(EndedObject { resource, series, at_ms, key: key.clone() }));
        }
        self
    }
}

/// All objects at one moment.
pub type Snapshot = Arc<BTreeMap<ObjectKey, Arc<StoredObject>>>;

/// The encoded series of one resource kind. Every method holds a lock for a short time only; a reader never makes a
/// writer wait for longer than it takes to clone an [`Arc`] or the few changes since a revision.
#[derive(Debug, Default)]
pub struct Store(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Copied on write while a snapshot of it is held, else changed in place.
    objects: Snapshot,
    /// Which object changed last at which revision.
    changed: BTreeMap<u64, ObjectKey>,
    /// What ended at which revision.
    ended: BTreeMap<u64, Arc<EndedObject>>,
    /// At which revisions series of an object ended.
    ended_of: HashMap<ObjectKey, Vec<u64>>,
    revision: u64,
}

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets an object. Returns whether that changed any byte.
    pub fn apply(&self, key: ObjectKey, rendered: Rendered, at_ms: u64) -> bool {
        self.state().apply(key, rendered, at_ms)
    }

    /// Removes an object. Returns whether it was there.
    pub fn delete(&self, key: &ObjectKey, at_ms: u64) -> bool {
        self.state().delete(key, at_ms)
    }

    /// Begins to replace all objects by those of a new list. Nothing is visible before [`Relist::commit`].
    pub fn relist(&self) -> Relist<'_> {
        Relist { store: self, objects: BTreeMap::new() }
    }

    /// All objects.
    pub fn snapshot(&self) -> Snapshot {
        Arc::clone(&self.state().objects)
    }

    /// What changed after `revision`, of each object its last state only.
    pub fn changes(&self, revision: u64) -> Changes {
        self.state().changes(revision)
    }

    /// All objects, and what ended after `revision`.
    pub fn complete(&self, revision: u64) -> Changes {
        let (snapshot, mut changes) = {
            let state = self.state();
            (Arc::clone(&state.objects), state.ended_after(revision))
        };
        for (key, object) in snapshot.iter() {
            changes.objects.entry(key.clone()).or_default().object = Some(Arc::clone(object));
        }
        changes
    }

    /// The revision of the last change.
    pub fn revision(&self) -> u64 {
        self.state().revision
    }

    /// Forgets what ended before `before_ms`.
    pub fn forget_ended(&self, before_ms: u64) {
        self.state().forget_ended(before_ms);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before anything that could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new list in the making. Dropped without [`Relist::commit`], it changes nothing.
#[derive(Debug)]
#[must_use = "a list that is not committed changes nothing"]
pub struct Relist<'a> {
    store: &'a Store,
    objects: BTreeMap<ObjectKey, Rendered>,
}

impl Relist<'_> {
    /// Adds an object of the new list.
    pub fn insert(&mut self, key: ObjectKey, rendered: Rendered) {
        self.objects.insert(key, rendered);
    }

    /// Makes the new list the truth: what is not in it was deleted. Returns whether that changed any byte.
    pub fn commit(self, at_ms: u64) -> bool {
        let mut state = self.store.state();
        let gone: Vec<_> =
            state.objects.keys().filter(|key| !self.objects.contains_key(key)).cloned().collect();
        let mut changed = false;
        for key in gone {
            changed |= state.delete(&key, at_ms);
        }
        for (key, rendered) in self.objects {
            changed |= state.apply(key, rendered, at_ms);
        }
        changed
    }
}

impl State {
    fn apply(&mut self, key: ObjectKey, rendered: Rendered, at_ms: u64) -> bool {
        let old = self.objects.get(&key).cloned();
        if old.as_ref().is_some_and(|old| old.rendered == rendered) {
            return false;
        }
        self.revision += 1;
        self.revive(&key, &rendered);
        if let Some(old) = &old {
            self.changed.remove(&old.revision);
            self.end(&key, old, Some(&rendered), at_ms);
        }
        self.changed.insert(self.revision, key.clone());
        let object = StoredObject { rendered, changed_ms: at_ms, revision: self.revision };
        Arc::make_mut(&mut self.objects).insert(key, Arc::new(object));
        true
    }

    fn delete(&mut self, key: &ObjectKey, at_ms: u64) -> bool {
        let Some(old) = Arc::make_mut(&mut self.objects).remove(key) else { return false };
        self.revision += 1;
        self.changed.remove(&old.revision);
        self.end(key, &old, None, at_ms);
        true
    }

    fn end(&mut self, key: &ObjectKey, old: &StoredObject, new: Option<&Rendered>, at_ms: u64) {
        let series = old.rendered.ended_in(new);
        if series.is_empty() {
            return;
        }
        let resource = old.rendered.frame.resource().into();
        let ended = EndedObject { resource, series, at_ms, key: key.clone() };
        self.ended.insert(self.revision, Arc::new(ended));
        self.ended_of.entry(key.clone()).or_default().push(self.revision);
    }

    /// Takes out of what ended the series that live again, so that a live series never gets an end marker.
    fn revive(&mut self, key: &ObjectKey, rendered: &Rendered) {
        let Some(revisions) = self.ended_of.get_mut(key) else { return };
        let living: HashMap<_, _> =
            rendered.frame.sets().map(|(set, metrics)| (set, metrics.series())).collect();
        let is_dead = |ended: &Ended| {
            !living.get(&ended.set).is_some_and(|series| series.contains(ended.marker.series()))
        };
        revisions.retain(|revision| {
            let Some(entry) = self.ended.get_mut(revision) else { return false };
            if !entry.series.iter().all(is_dead) {
                Arc::make_mut(entry).series.retain(is_dead);
            }
            if entry.series.is_empty() {
                self.ended.remove(revision);
                return false;
            }
            true
        });
        if revisions.is_empty() {
            self.ended_of.remove(key);
        }
    }

    fn changes(&self, revision: u64) -> Changes {
        let mut changes = self.ended_after(revision);
        for key in self.changed.range(after(revision)).map(|(_, key)| key) {
            changes.objects.entry(key.clone()).or_default().object = self.objects.get(key).cloned();
        }
        changes
    }

    fn ended_after(&self, revision: u64) -> Changes {
        let mut changes = Changes { revision: self.revision, ..Changes::default() };
        for ended in self.ended.range(after(revision)).map(|(_, ended)| ended) {
            changes.objects.entry(ended.key.clone()).or_default().ended.push(Arc::clone(ended));
        }
        changes
    }

    fn forget_ended(&mut self, before_ms: u64) {
        while let Some(first) = self.ended.first_entry().filter(|first| first.get().at_ms < before_ms) {
            let (revision, entry) = first.remove_entry();
            if let Some(revisions) = self.ended_of.get_mut(&entry.key) {
                revisions.retain(|own| *own != revision);
                if revisions.is_empty() {
                    self.ended_of.remove(&entry.key);
                }
            }
        }
    }
}

fn after(revision: u64) -> (Bound<u64>, Bound<u64>) {
    (Bound::Excluded(revision), Bound::Unbounded)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use status_model::parse;

    use super::*;

    #[test]
    fn a_busy_object_takes_no_more_room_than_a_quiet_one_and_a_forgotten_one_none() {
        let keda = ModuleRef::new("operator.kyma-project.io", "v1alpha1", "Keda", "default");
        let rendered = |state| {
            let (status, _) = parse(&json!({"state": state}));
            let (samples, _) = Set::Module.translate(&Origin::default(), &keda, &status);
            Rendered::new(&Origin::default(), &keda, &[(Set::Module, samples)])
        };
        let store = Store::new();
        for at_ms in 0..100 {
            store.apply((&keda).into(), rendered(if at_ms % 2 == 0 { "Ready" } else { "Warning" }), at_ms);
            let state = store.state();
            let ended = usize::from(at_ms > 0);
            assert_eq!((state.changed.len(), state.ended.len(), state.ended_of.len()), (1, ended, ended));
            assert_eq!(state.ended_of.values().map(Vec::len).sum::<usize>(), ended);
        }
        store.delete(&(&keda).into(), 100);
        store.forget_ended(101);
        let state = store.state();
        assert!(state.objects.is_empty() && state.changed.is_empty());
        assert!(state.ended.is_empty() && state.ended_of.is_empty());
    }
}
