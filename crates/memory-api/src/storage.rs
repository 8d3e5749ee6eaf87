//! Objects, their versions, and the changes that a watch can still be told about.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::Value;

use crate::name::{GroupResource, Key};

/// One write: what an object was and what it is now. `None` is absence.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) resource: GroupResource,
    pub(crate) key: Key,
    pub(crate) before: Option<Arc<Value>>,
    pub(crate) after: Option<Arc<Value>>,
}

/// The revision asked for is no longer in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compacted {
    pub(crate) requested: u64,
    pub(crate) oldest: u64,
}

/// One counter of revisions for everything, as etcd has it, and a bounded history of changes.
#[derive(Debug)]
pub(crate) struct Storage {
    revision: u64,
    objects: BTreeMap<GroupResource, BTreeMap<Key, Arc<Value>>>,
    history: VecDeque<Change>,
    limit: usize,
    /// Everything up to this revision is forgotten.
    oldest: u64,
}

impl Storage {
    pub(crate) fn new(limit: usize) -> Self {
        Self { revision: 0, objects: BTreeMap::new(), history: VecDeque::new(), limit, oldest: 0 }
    }

    /// The revision of the last write.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn get(&self, resource: &GroupResource, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(resource)?.get(key)
    }

    pub(crate) fn list(&self, resource: &GroupResource) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.get(resource).into_iter().flatten()
    }

    /// The resources that have objects.
    pub(crate) fn resources(&self) -> Vec<GroupResource> {
        self.objects.iter().filter(|(_, objects)| !objects.is_empty()).map(|(id, _)| id.clone()).collect()
    }

    /// Writes an object under a new revision.
    pub(crate) fn put(&mut self, resource: &GroupResource, key: &Key, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let object = Arc::new(object);
        let objects = self.objects.entry(resource.clone()).or_default();
        let before = objects.insert(key.clone(), Arc::clone(&object));
        self.remember(resource, key, before, Some(Arc::clone(&object)));
        object
    }

    /// Removes an object; the removal has a revision of its own.
    pub(crate) fn remove(&mut self, resource: &GroupResource, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.get_mut(resource)?.remove(key)?;
        self.revision += 1;
        self.remember(resource, key, Some(Arc::clone(&before)), None);
        Some(before)
    }

    /// The changes after a revision, oldest first.
    pub(crate) fn changes_after(&self, revision: u64) -> Result<impl Iterator<Item = &Change>, Compacted> {
        self.check(revision)?;
        let first = self.history.partition_point(|change| change.revision <= revision);
        Ok(self.history.range(first..))
    }

    /// The objects as they were at a revision: what is there now, with the later changes taken back.
    pub(crate) fn list_at(
        &self,
        resource: &GroupResource,
        revision: u64,
    ) -> Result<BTreeMap<Key, Arc<Value>>, Compacted> {
        self.check(revision)?;
        let mut objects = self.objects.get(resource).cloned().unwrap_or_default();
        let later = self.history.iter().rev().take_while(|change| change.revision > revision);
        for change in later.filter(|change| change.resource == *resource) {
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), Arc::clone(before)),
                None => objects.remove(&change.key),
            };
        }
        Ok(objects)
    }

    /// Forgets all changes: a watch from any earlier revision is told 410 Gone.
    pub(crate) fn compact(&mut self) {
        self.history.clear();
        self.oldest = self.revision;
    }

    fn check(&self, requested: u64) -> Result<(), Compacted> {
        if requested < self.oldest { Err(Compacted { requested, oldest: self.oldest }) } else { Ok(()) }
    }

    fn remember(
        &mut self,
        resource: &GroupResource,
        key: &Key,
        before: Option<Arc<Value>>,
        after: Option<Arc<Value>>,
    ) {
        let (resource, key) = (resource.clone(), key.clone());
        self.history.push_back(Change { revision: self.revision, resource, key, before, after });
        while self.history.len() > self.limit {
            if let Some(forgotten) = self.history.pop_front() {
                self.oldest = forgotten.revision;
            }
        }
    }
}
