//! The verbs of the API, as plain functions over kinds and storage.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use crate::{
    apply, builtin, crd,
    failure::Failure,
    kind::Scope,
    merge,
    name::{GroupResource, Key, api_version},
    registry::Registry,
    revise::{self, Birth, Part},
    storage::Storage,
    target::{Preconditions, Target},
};

/// The whole state: what is served and what is stored.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) storage: Storage,
    pub(crate) registry: Registry,
    applied: BTreeMap<Applied, Value>,
    named: u64,
}

/// What a manager last applied to a part of an object.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Applied {
    resource: GroupResource,
    key: Key,
    manager: String,
    part: Part,
}

/// A stored object, and whether it is new.
#[derive(Debug)]
pub(crate) enum Written {
    Created(Arc<Value>),
    Updated(Arc<Value>),
}

/// What a deletion left behind.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// The object is gone; this is what it was.
    Gone(Arc<Value>),
    /// It waits for its finalizers.
    Waiting(Arc<Value>),
}

impl Cluster {
    /// A cluster with its four namespaces.
    pub(crate) fn new(history: usize, now: &str) -> Self {
        let mut cluster = Self {
            storage: Storage::new(history),
            registry: Registry::new(),
            applied: BTreeMap::new(),
            named: 0,
        };
        for name in ["kube-system", "default", "kube-public", "kube-node-lease"] {
            let target = cluster.target("", builtin::NAMESPACES, "", name).expect("namespaces are built in");
            cluster.create(target, json!({}), now).expect("nothing is there yet");
        }
        cluster
    }

    /// An object by its resource, at the version that is stored.
    pub(crate) fn target(
        &self,
        group: &str,
        resource: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Target, Failure> {
        let kind = self.registry.get(&GroupResource::new(group, resource));
        let kind = Arc::clone(kind.ok_or_else(Failure::no_such_resource)?);
        let version = kind.served().next().cloned().ok_or_else(Failure::no_such_resource)?;
        Ok(Target { kind, version, key: Key::new(namespace, name), part: Part::Main })
    }

    pub(crate) fn get(&self, target: &Target) -> Result<Arc<Value>, Failure> {
        self.storage.get(&target.kind.id, &target.key).cloned().ok_or_else(|| target.not_found())
    }

    /// Creates an object; an empty name is made from `generateName`.
    pub(crate) fn create(
        &mut self,
        mut target: Target,
        object: Value,
        now: &str,
    ) -> Result<Arc<Value>, Failure> {
        self.check_namespace(&target)?;
        if target.key.name.is_empty() {
            target.key.name = self.name(&target, &object)?;
        }
        target.check(&object)?;
        if !object["metadata"]["resourceVersion"].as_str().unwrap_or_default().is_empty() {
            return Err(Failure::bad_request("resourceVersion should not be set on objects to be created"));
        }
        if self.storage.get(&target.kind.id, &target.key).is_some() {
            return Err(Failure::already_exists(&target.kind.id, &target.key.name));
        }
        let uid = self.uid();
        let Target { kind, version, key, .. } = &target;
        let mut object = revise::for_create(kind, version, key, object, Birth { uid: &uid, now });
        object["apiVersion"] = api_version(&kind.id.group, &version.name).into();
        object["kind"] = kind.names.kind.as_str().into();
        self.store(&target, object, now)
    }

    /// Replaces the part of an object that the target names.
    pub(crate) fn replace(
        &mut self,
        target: &Target,
        object: Value,
        now: &str,
    ) -> Result<Arc<Value>, Failure> {
        target.check(&object)?;
        let old = self.get(target)?;
        let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if version.is_empty() && !target.kind.unconditional_update {
            let cause = "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update";
            return Err(Failure::invalid(&target.kind.id.to_string(), &target.key.name, cause));
        }
        target.check_version(&old, &object)?;
        self.update(target, &old, object, now)
    }

    /// Applies a merge patch; one that carries a resourceVersion is refused when that is not the stored one.
    pub(crate) fn patch(&mut self, target: &Target, patch: &Value, now: &str) -> Result<Arc<Value>, Failure> {
        let old = self.get(target)?;
        target.check_version(&old, patch)?;
        let mut object = Value::clone(&old);
        merge::merge(&mut object, patch);
        self.update(target, &old, object, now)
    }

    /// Applies an object for a manager, and creates it where it is missing.
    pub(crate) fn apply(
        &mut self,
        target: &Target,
        object: Value,
        manager: &str,
        now: &str,
    ) -> Result<Written, Failure> {
        target.check(&object)?;
        let old = self.storage.get(&target.kind.id, &target.key).cloned();
        if let Some(old) = &old {
            target.check_version(old, &object)?;
        }
        let wanted = revise::applicable(&target.version, target.part, object);
        let applied = Applied {
            resource: target.kind.id.clone(),
            key: target.key.clone(),
            manager: manager.to_owned(),
            part: target.part,
        };
        let previous = self.applied.get(&applied).unwrap_or(&Value::Null);
        let live = old.as_deref().unwrap_or(&Value::Null);
        let merged = apply::apply(live, previous, &wanted, &with_metadata(&target.version.schema));
        let written = match &old {
            Some(old) => Written::Updated(self.update(target, old, merged, now)?),
            None if target.part == Part::Status => return Err(target.not_found()),
            None => Written::Created(self.create(target.clone(), merged, now)?),
        };
        self.applied.insert(applied, wanted);
        Ok(written)
    }

    /// Deletes an object, or marks it where finalizers hold it.
    pub(crate) fn delete(
        &mut self,
        target: &Target,
        only: &Preconditions,
        now: &str,
    ) -> Result<Deleted, Failure> {
        let old = self.get(target)?;
        target.check_deletion(&old, only)?;
        if revise::has_finalizers(&old) {
            if revise::is_deleting(&old) {
                return Ok(Deleted::Waiting(old));
            }
            let marked = revise::for_deletion(&target.kind, &old, now);
            return Ok(Deleted::Waiting(self.storage.put(&target.kind.id, &target.key, marked)));
        }
        self.remove(target)?;
        Ok(Deleted::Gone(old))
    }

    /// Removes an object with what belongs to it: the contents of a namespace, the objects of a definition.
    fn remove(&mut self, target: &Target) -> Result<(), Failure> {
        let id = &target.kind.id;
        if id.to_string() == builtin::NAMESPACES {
            for resource in self.storage.resources() {
                self.remove_all(&resource, |key| key.namespace == target.key.name);
            }
        }
        let defined = (id.resource == builtin::DEFINITIONS).then(|| GroupResource::parse(&target.key.name));
        if let Some(defined) = &defined {
            self.remove_all(defined, |_| true);
        }
        self.storage.remove(id, &target.key).ok_or_else(|| target.not_found())?;
        self.forget(id, &target.key);
        if let Some(defined) = defined {
            self.registry.remove(&defined);
        }
        Ok(())
    }

    fn remove_all(&mut self, resource: &GroupResource, doomed: impl Fn(&Key) -> bool) {
        let keys: Vec<Key> =
            self.storage.list(resource).map(|(key, _)| key).filter(|key| doomed(key)).cloned().collect();
        for key in keys {
            self.storage.remove(resource, &key);
            self.forget(resource, &key);
        }
    }

    fn forget(&mut self, resource: &GroupResource, key: &Key) {
        self.applied.retain(|applied, _| applied.resource != *resource || applied.key != *key);
    }

    fn update(
        &mut self,
        target: &Target,
        old: &Arc<Value>,
        new: Value,
        now: &str,
    ) -> Result<Arc<Value>, Failure> {
        let object = revise::for_update(&target.kind, &target.version, target.part, old, new);
        if object == **old {
            return Ok(Arc::clone(old));
        }
        if revise::is_deleting(&object) && !revise::has_finalizers(&object) {
            self.remove(target)?;
            return Ok(Arc::new(object));
        }
        self.store(target, object, now)
    }

    /// Stores an object; a definition takes effect and says so in its status.
    fn store(&mut self, target: &Target, object: Value, now: &str) -> Result<Arc<Value>, Failure> {
        let Target { kind, key, .. } = target;
        if kind.id.resource != builtin::DEFINITIONS {
            return Ok(self.storage.put(&kind.id, key, object));
        }
        self.registry.register(crd::read(&object)?);
        let stored = self.storage.put(&kind.id, key, object);
        let status = crd::established(&stored, now);
        if stored["status"] == status {
            return Ok(stored);
        }
        let mut established = Value::clone(&stored);
        established["status"] = status;
        self.storage.put(&kind.id, key, established);
        Ok(stored)
    }

    fn check_namespace(&self, target: &Target) -> Result<(), Failure> {
        if target.kind.scope == Scope::Cluster {
            return Ok(());
        }
        let namespaces = GroupResource::new("", builtin::NAMESPACES);
        let namespace = &target.key.namespace;
        match self.storage.get(&namespaces, &Key::new("", namespace)) {
            Some(_) => Ok(()),
            None if namespace.is_empty() => {
                Err(Failure::bad_request("an empty namespace may not be set during creation"))
            }
            None => Err(Failure::not_found(&namespaces, namespace)),
        }
    }

    fn name(&mut self, target: &Target, object: &Value) -> Result<String, Failure> {
        let metadata = &object["metadata"];
        if let Some(name) = metadata["name"].as_str().filter(|name| !name.is_empty()) {
            return Ok(name.to_owned());
        }
        let prefix = metadata["generateName"].as_str().filter(|prefix| !prefix.is_empty());
        let prefix = prefix.ok_or_else(|| {
            target.invalid("metadata.name: Required value: name or generateName is required")
        })?;
        self.named += 1;
        Ok(format!("{prefix}{:05x}", self.named))
    }

    /// Uids are numbered, so that snapshots of tests hold; real ones are random.
    fn uid(&self) -> String {
        format!("00000000-0000-4000-8000-{:012x}", self.storage.revision() + 1)
    }
}

/// The schema with the lists of `metadata`, which no definition describes.
fn with_metadata(schema: &Value) -> Value {
    let mut schema = schema.clone();
    schema["properties"]["metadata"] = json!({"properties": {
        "finalizers": {"x-kubernetes-list-type": "set"},
        "ownerReferences": {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"]},
    }});
    schema
}
