//! The handle of an API.

use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};

use crate::{
    clock::Clock,
    cluster::{Cluster, Deleted},
    failure::Failure,
    faults::Faults,
    kind::StatusPart,
    name::GroupResource,
    requests::Requests,
    revise::Part,
    server::Server,
    service::ApiService,
    target::{Preconditions, Target},
    watches::Watches,
};

/// How many changes are kept for watches unless said otherwise.
const HISTORY: usize = 10_000;

/// A Kubernetes API in memory; clones are handles to the same one.
#[derive(Clone)]
pub struct MemoryApi {
    shared: Arc<Shared>,
}

struct Shared {
    cluster: Mutex<Cluster>,
    revision: watch::Sender<u64>,
    faults: Faults,
    requests: Requests,
    watches: Watches,
    clock: Clock,
}

impl Default for MemoryApi {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryApi").field("revision", &self.revision()).finish_non_exhaustive()
    }
}

impl MemoryApi {
    /// An API with the built-in kinds and the namespaces that every cluster has.
    pub fn new() -> Self {
        Self::with_history(HISTORY)
    }

    /// An API that keeps so many changes: a watch that lags further behind is told 410 Gone.
    pub fn with_history(changes: usize) -> Self {
        let clock = Clock::start();
        let cluster = Cluster::new(changes, &clock.now());
        let shared = Shared {
            revision: watch::Sender::new(cluster.storage.revision()),
            cluster: Mutex::new(cluster),
            faults: Faults::new(),
            requests: Requests::new(),
            watches: Watches::new(),
            clock,
        };
        Self { shared: Arc::new(shared) }
    }

    /// The API as a tower service, for clients in the same process.
    pub fn service(&self) -> ApiService {
        ApiService::new(self.clone())
    }

    /// Serves the API over HTTP, without TLS and without authentication.
    ///
    /// # Errors
    /// The listener has no local address.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn serve(&self, listener: TcpListener) -> io::Result<Server> {
        Server::on(self.clone(), listener)
    }

    /// Serves the API over HTTP on a free port of the loopback address.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn serve_on_loopback(&self) -> io::Result<Server> {
        Server::on_loopback(self.clone()).await
    }

    /// The faults of this API.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// The log of requests. The functions of this handle are not in it.
    pub fn requests(&self) -> &Requests {
        &self.shared.requests
    }

    /// The watches that are open.
    pub fn watches(&self) -> &Watches {
        &self.shared.watches
    }

    /// The revision of the last write: the resourceVersion that a list has now.
    pub fn revision(&self) -> u64 {
        *self.shared.revision.borrow()
    }

    /// Forgets the history: a list or watch from an earlier revision is told 410 Gone.
    pub fn compact(&self) {
        self.lock().storage.compact();
    }

    /// Creates an object; as over HTTP, its status is dropped where that is a subresource.
    ///
    /// # Errors
    /// What a client is told.
    pub fn create(&self, object: Value) -> Result<Value, Failure> {
        self.write(|cluster, now| {
            let target = of_object(cluster, &object)?;
            cluster.create(target, object, now)
        })
        .map(unshare)
    }

    /// Creates an object, or replaces what is there, with its status: the way to load a fixture.
    ///
    /// # Errors
    /// What a client is told.
    pub fn load(&self, object: Value) -> Result<Value, Failure> {
        self.write(|cluster, now| {
            let mut target = of_object(cluster, &object)?;
            let status = json!({"status": object["status"]});
            let mut stored = match cluster.get(&target) {
                Ok(_) => cluster.replace(&target, current(cluster, &target, object)?, now)?,
                Err(_) => cluster.create(target.clone(), object, now)?,
            };
            if target.version.status == StatusPart::Subresource && !status["status"].is_null() {
                target.part = Part::Status;
                stored = cluster.replace(&target, current(cluster, &target, status)?, now)?;
            }
            Ok(stored)
        })
        .map(unshare)
    }

    /// An object by its resource (`secrets`, `telemetries.operator.kyma-project.io`), in the version in which it was created.
    /// The namespace of cluster-scoped objects is empty.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        self.read(|cluster| cluster.get(&by_name(cluster, resource, namespace, name)?)).ok().map(unshare)
    }

    /// Applies a merge patch to an object; as over HTTP, not to its status where that is a subresource.
    ///
    /// # Errors
    /// What a client is told.
    pub fn patch(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value, Failure> {
        self.write(|cluster, now| cluster.patch(&by_name(cluster, resource, namespace, name)?, patch, now))
            .map(unshare)
    }

    /// Applies a merge patch to the status of an object: `{"state": "Ready"}`.
    ///
    /// # Errors
    /// What a client is told.
    pub fn patch_status(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        status: &Value,
    ) -> Result<Value, Failure> {
        self.write(|cluster, now| {
            let mut target = by_name(cluster, resource, namespace, name)?;
            if target.version.status == StatusPart::Subresource {
                target.part = Part::Status;
            }
            cluster.patch(&target, &json!({"status": status}), now)
        })
        .map(unshare)
    }

    /// Deletes an object; with finalizers it is only marked.
    ///
    /// # Errors
    /// What a client is told.
    pub fn delete(&self, resource: &str, namespace: &str, name: &str) -> Result<(), Failure> {
        let deleted: Result<Deleted, Failure> = self.write(|cluster, now| {
            let target = by_name(cluster, resource, namespace, name)?;
            cluster.delete(&target, &Preconditions::default(), now)
        });
        deleted.map(|_| ())
    }

    /// Waits until an object, or its absence, is as wanted, and returns it.
    pub async fn until(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        wanted: impl Fn(Option<&Value>) -> bool,
    ) -> Option<Value> {
        let mut revisions = self.revisions();
        loop {
            let object = self.get(resource, namespace, name);
            // The sender lives as long as this handle.
            if wanted(object.as_ref()) || revisions.changed().await.is_err() {
                return object;
            }
        }
    }

    pub(crate) fn revisions(&self) -> watch::Receiver<u64> {
        self.shared.revision.subscribe()
    }

    pub(crate) fn read<T>(&self, f: impl FnOnce(&Cluster) -> T) -> T {
        f(&self.lock())
    }

    /// Writes, at one moment, and wakes the watches if anything was written.
    pub(crate) fn write<T>(&self, f: impl FnOnce(&mut Cluster, &str) -> T) -> T {
        let mut cluster = self.lock();
        let result = f(&mut cluster, &self.shared.clock.now());
        let revision = cluster.storage.revision();
        self.shared.revision.send_if_modified(|known| std::mem::replace(known, revision) != revision);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Cluster> {
        self.shared.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unshare(object: Arc<Value>) -> Value {
    Arc::unwrap_or_clone(object)
}

fn by_name(cluster: &Cluster, resource: &str, namespace: &str, name: &str) -> Result<Target, Failure> {
    let GroupResource { group, resource } = GroupResource::parse(resource);
    cluster.target(&group, &resource, namespace, name)
}

/// Where an object belongs by what it says of itself.
fn of_object(cluster: &Cluster, object: &Value) -> Result<Target, Failure> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    let kind = cluster.registry.of_object(&api_version, &kind).ok_or_else(Failure::no_such_resource)?.clone();
    let version = api_version.rsplit('/').next().unwrap_or_default();
    let version = kind.version(version).cloned().ok_or_else(Failure::no_such_resource)?;
    let metadata = &object["metadata"];
    let key = crate::name::Key { namespace: text(&metadata["namespace"]), name: text(&metadata["name"]) };
    Ok(Target { kind, version, key, part: Part::Main })
}

/// The object as a replacement of what is stored now.
fn current(cluster: &Cluster, target: &Target, mut object: Value) -> Result<Value, Failure> {
    object["metadata"]["resourceVersion"] = cluster.get(target)?["metadata"]["resourceVersion"].clone();
    Ok(object)
}
