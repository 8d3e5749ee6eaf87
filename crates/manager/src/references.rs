//! The Secrets that pipelines refer to: one watch each, and never a list of all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret as KubeSecret;
use kube::{Api, Client};
use pipeline_api::{Lookup, MetricPipelineSpec, Referenced, Secret, SecretKeyRef, references};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use crate::follow::{Event, Follow};
use crate::refusal::Refusal;
use crate::said::Said;
use crate::wake::Wake;

/// So often a Secret that may not be read is asked for again.
const FORBIDDEN_AGAIN: Duration = Duration::from_secs(10);
/// So often one that could not be read is asked for again.
const FAILED_AGAIN: Duration = Duration::from_secs(2);

/// Namespace and name of a Secret.
type Name = (String, String);

/// What is known of a Secret.
#[derive(Clone, Debug, PartialEq)]
enum Known {
    Pending,
    Found(BTreeMap<String, Secret>),
    Missing,
    Forbidden,
    Unavailable(Said),
}

/// The Secrets that are watched.
pub(crate) struct References {
    client: Client,
    changed: Wake,
    watched: BTreeMap<Name, Watched>,
}

struct Watched {
    known: Arc<Mutex<Known>>,
    _task: AbortOnDropHandle<()>,
}

impl References {
    pub(crate) fn new(client: Client, changed: Wake) -> Self {
        Self { client, changed, watched: BTreeMap::new() }
    }

    /// Watches just the Secrets that these specs refer to.
    pub(crate) fn ensure<'a>(&mut self, specs: impl IntoIterator<Item = &'a MetricPipelineSpec>) {
        let wanted: BTreeSet<Name> = specs
            .into_iter()
            .flat_map(references)
            .map(|SecretKeyRef { namespace, name, .. }| (namespace, name))
            .collect();
        self.watched.retain(|name, _| wanted.contains(name));
        for name in wanted {
            if !self.watched.contains_key(&name) {
                let watched = self.watch(name.clone());
                self.watched.insert(name, watched);
            }
        }
    }

    /// What is known of everything that a spec refers to.
    pub(crate) fn look_up(&self, spec: &MetricPipelineSpec) -> Referenced {
        references(spec).into_iter().map(|reference| (reference.clone(), self.one(&reference))).collect()
    }

    fn one(&self, reference: &SecretKeyRef) -> Lookup {
        let name = (reference.namespace.clone(), reference.name.clone());
        let Some(watched) = self.watched.get(&name) else { return Lookup::Pending };
        match &*watched.known.lock().unwrap_or_else(PoisonError::into_inner) {
            Known::Pending => Lookup::Pending,
            Known::Found(keys) => keys.get(&reference.key).cloned().map_or(Lookup::KeyMissing, Lookup::Found),
            Known::Missing => Lookup::SecretMissing,
            Known::Forbidden => Lookup::Forbidden,
            Known::Unavailable(error) => Lookup::Unavailable { error: error.to_string() },
        }
    }

    fn watch(&self, (namespace, name): Name) -> Watched {
        let known = Arc::new(Mutex::new(Known::Pending));
        let api: Api<KubeSecret> = Api::namespaced(self.client.clone(), &namespace);
        let set = Setter {
            known: Arc::clone(&known),
            changed: self.changed.clone(),
            name: format!("{namespace}/{name}"),
        };
        let task = tokio::spawn(follow(Follow::one(api, &name), set));
        Watched { known, _task: AbortOnDropHandle::new(task) }
    }
}

struct Setter {
    known: Arc<Mutex<Known>>,
    changed: Wake,
    name: String,
}

impl Setter {
    fn set(&self, news: Known) {
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if *known == news {
                return;
            }
            known.clone_from(&news);
        }
        match news {
            Known::Pending => {}
            Known::Found(_) => info!(secret = self.name, "Secret read"),
            Known::Missing => warn!(secret = self.name, "Secret is missing"),
            Known::Forbidden => warn!(secret = self.name, "Secret may not be read"),
            Known::Unavailable(error) => warn!(secret = self.name, %error, "Secret cannot be read"),
        }
        self.changed.wake();
    }

    fn is_forbidden(&self) -> bool {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) == Known::Forbidden
    }

    /// A Secret that was read is not forgotten because the API server is away.
    fn failed(&self, error: String) {
        let unknown = matches!(
            *self.known.lock().unwrap_or_else(PoisonError::into_inner),
            Known::Pending | Known::Unavailable(_)
        );
        if unknown {
            self.set(Known::Unavailable(Said::new(error)));
        }
    }
}

async fn follow(mut events: Follow<KubeSecret>, known: Setter) {
    let mut listed = None;
    loop {
        match events.next().await {
            Ok(Event::ListBegun) => listed = None,
            Ok(Event::Listed(mut secrets)) => listed = listed.or(secrets.pop()),
            Ok(Event::ListDone) => known.set(listed.take().map_or(Known::Missing, found)),
            // The right is back: what the Secret is now, only a list tells.
            Ok(Event::Watching) if known.is_forbidden() => events = events.again(),
            Ok(Event::Watching) => {}
            Ok(Event::Applied(secret)) => known.set(found(secret)),
            Ok(Event::Deleted(_)) => known.set(Known::Missing),
            Err(failure) => match failure.refusal {
                Refusal::Forbidden(_) => {
                    known.set(Known::Forbidden);
                    sleep(FORBIDDEN_AGAIN).await;
                }
                refusal => {
                    known.failed(refusal.to_string());
                    sleep(FAILED_AGAIN).await;
                }
            },
        }
    }
}

fn found(secret: KubeSecret) -> Known {
    let data = secret.data.unwrap_or_default();
    Known::Found(data.into_iter().map(|(key, value)| (key, Secret::new(value.0))).collect())
}
