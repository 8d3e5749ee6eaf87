//! One task a source: discover, list, watch; each change is read, translated and stored.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use kube::discovery::ApiResource;
use kube::{Api, Client};
use status_metrics::{ObjectKey, Origin, Relist, Rendered, Set};
use status_model::{ModuleRef, Problem};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::clock;
use crate::discover::{Served, discover};
use crate::follow::{Event, Failure, Follow};
use crate::observed::Observed;
use crate::refusal::Refusal;
use crate::source::{Judge, Source, Verdict, WatchState};
use crate::telemetry::Telemetry;
use crate::wake::Wake;

/// So often what is refused, or not installed, is asked for again.
const REFUSED_AGAIN: Duration = Duration::from_secs(10);

/// So soon after the first look, a resource that is not served is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What all watches share.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) origin: Arc<Origin>,
    pub(crate) telemetry: Arc<Telemetry>,
    /// Told of every change of a series.
    pub(crate) changed: Wake,
    /// Told of every change in how a watch goes.
    pub(crate) state_changed: Wake,
}

/// Watches a source until the task is dropped.
pub(crate) async fn run(context: Context, source: Arc<Source>, sets: BTreeSet<Set>) {
    let mut was_missing = false;
    let mut watch = Watch {
        context,
        source: &source,
        sets,
        judge: Judge::default(),
        ended: false,
        backoff: backoff(),
        problems: HashMap::new(),
    };
    loop {
        match discover(&watch.context.client, &source.module).await {
            Ok(Some(served)) => {
                was_missing = false;
                watch.follow(served).await;
            }
            // One look is not believed: an API server that has just started may not know its CRDs yet.
            Ok(None) if !was_missing => {
                was_missing = true;
                sleep(LOOK_AGAIN).await;
            }
            Ok(None) => {
                let refusal = Refusal::NotFound("the API server does not serve it".to_owned());
                watch.failed(&Failure { verb: "list", refusal }).await;
            }
            Err(refusal) => watch.failed(&Failure { verb: "list", refusal }).await,
        }
    }
}

/// 0.1 s doubling to 1 s, to which the jitter adds up to as much again.
fn backoff() -> ExponentialBackoff {
    let builder = ExponentialBuilder::default().with_min_delay(Duration::from_millis(100));
    builder.with_max_delay(Duration::from_secs(1)).with_jitter().without_max_times().build()
}

struct Watch<'a> {
    context: Context,
    source: &'a Source,
    sets: BTreeSet<Set>,
    judge: Judge,
    /// Whether all series were ended because of a failure.
    ended: bool,
    backoff: ExponentialBackoff,
    /// What could not be read of an object, so that each is told once.
    problems: HashMap<ObjectKey, BTreeSet<(&'static str, String)>>,
}

impl<'a> Watch<'a> {
    /// Follows the kind until it is gone.
    async fn follow(&mut self, served: Served) {
        let Served { resource, namespaced } = served;
        let client = self.context.client.clone();
        let api: Api<Observed> = match &self.source.module.namespace {
            Some(namespace) if namespaced => Api::namespaced_with(client, namespace, &resource),
            _ => Api::all_with(client, &resource),
        };
        let mut events = Follow::all(api);
        let mut relist = None;
        loop {
            match events.next().await {
                // All series were ended: what there is now, only a list tells.
                Ok(Event::Watching | Event::Applied(_) | Event::Deleted(_)) if self.ended => {
                    events = events.again();
                }
                Ok(event) => self.handle(event, &resource, &mut relist),
                // The kind may have gone, or be served in another version only: discovery tells.
                Err(Failure { verb, refusal: Refusal::NotFound(text) }) => {
                    return self.failed(&Failure { verb, refusal: Refusal::Answered(text) }).await;
                }
                Err(failure) => self.failed(&failure).await,
            }
        }
    }

    fn handle(&mut self, event: Event<Observed>, kind: &ApiResource, relist: &mut Option<Relist<'a>>) {
        match event {
            Event::ListBegun => *relist = Some(self.source.store.relist()),
            Event::Listed(objects) => {
                for object in &objects {
                    let (key, rendered) = self.render(object, kind);
                    if let Some(relist) = relist {
                        relist.insert(key, rendered);
                    }
                }
            }
            Event::ListDone => {
                let changed = relist.take().is_some_and(|relist| relist.commit(clock::now_ms()));
                self.ended = false;
                let snapshot = self.source.store.snapshot();
                self.problems.retain(|key, _| snapshot.contains_key(key));
                self.synced();
                self.tell(changed);
            }
            Event::Watching => self.synced(),
            Event::Applied(object) => {
                self.synced();
                let at_ms = clock::now_ms();
                let (key, rendered) = self.render(&object, kind);
                let changed = self.source.store.apply(key, rendered, at_ms);
                self.tell(changed);
            }
            Event::Deleted(object) => {
                self.synced();
                let key = ObjectKey::from(&object.module_ref(&self.source.module.name, kind));
                self.problems.remove(&key);
                let changed = self.source.store.delete(&key, clock::now_ms());
                self.tell(changed);
            }
        }
    }

    fn render(&mut self, object: &Observed, kind: &ApiResource) -> (ObjectKey, Rendered) {
        let module = object.module_ref(&self.source.module.name, kind);
        let (status, problems) = object.read();
        let mut found: BTreeSet<_> =
            problems.iter().map(|problem| (problem.reason(), problem.to_string())).collect();
        let translate = |set: &Set| {
            let (samples, exceeded) = set.translate(&self.context.origin, &module, &status);
            found.extend(exceeded.map(|exceeded| (exceeded.reason(), format!("set {set}: {exceeded}"))));
            (*set, samples)
        };
        let sets: Vec<_> = self.sets.iter().map(translate).collect();
        let key = ObjectKey::from(&module);
        self.complain(&key, &module, found);
        (key, Rendered::new(&self.context.origin, &module, &sets))
    }

    /// Tells each problem of an object once, as long as it lasts.
    fn complain(&mut self, key: &ObjectKey, module: &ModuleRef, found: BTreeSet<(&'static str, String)>) {
        let known = self.problems.get(key);
        for (reason, problem) in &found {
            if !known.is_some_and(|known| known.contains(&(*reason, problem.clone()))) {
                if *reason == Problem::StatusMissing.reason() {
                    // Usual for an object that its controller has not seen yet.
                    info!(object = %module, "Status is missing");
                } else {
                    warn!(object = %module, reason, "Status cannot be read whole: {problem}");
                }
                self.context.telemetry.problem(&module.group, &module.plural, reason);
            }
        }
        if found.is_empty() {
            self.problems.remove(key);
        } else {
            self.problems.insert(key.clone(), found);
        }
    }

    fn synced(&mut self) {
        self.judge.succeeded();
        self.backoff = backoff();
        self.say(WatchState::Synced);
    }

    async fn failed(&mut self, failure: &Failure) {
        let module = &self.source.module;
        self.context.telemetry.watch_error(&module.group, &module.resource, failure.refusal.reason());
        match self.judge.failed(failure, &self.source.state(), Instant::now()) {
            Verdict::Wait => {}
            Verdict::Say(state) => self.say(state),
            Verdict::End(state) => {
                let changed = self.source.store.relist().commit(clock::now_ms());
                self.problems.clear();
                self.ended = true;
                self.say(state);
                self.tell(changed);
            }
        }
        let again = match failure.refusal {
            Refusal::Forbidden(_) | Refusal::NotFound(_) => REFUSED_AGAIN,
            _ => self.backoff.next().unwrap_or(REFUSED_AGAIN),
        };
        sleep(again).await;
    }

    fn say(&self, state: WatchState) {
        let module = &self.source.module;
        self.context.telemetry.watch_synced(&module.group, &module.resource, state == WatchState::Synced);
        if !self.source.set_state(&state) {
            return;
        }
        let resource = format!("{}.{}", module.resource, module.group);
        match state {
            WatchState::Pending => {}
            WatchState::Synced => info!(module = module.name, resource, "Watching"),
            WatchState::Forbidden { verb } => {
                warn!(module = module.name, resource, verb, "Watching is forbidden; trying again");
            }
            WatchState::NotInstalled => {
                warn!(module = module.name, resource, "The resource is not installed; looking again");
            }
            WatchState::Failed { error } => {
                warn!(module = module.name, resource, %error, "Watching fails; trying again");
            }
        }
        self.context.state_changed.wake();
    }

    fn tell(&self, changed: bool) {
        if changed {
            self.context.changed.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use memory_api::{Fault, MemoryApi, Selection, seed};
    use serde_json::{Value, json};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::catalog::Module;

    const KEDAS: &str = "kedas.operator.kyma-project.io";
    const MINUTE: Duration = Duration::from_mins(1);

    fn api() -> MemoryApi {
        let api = MemoryApi::new();
        api.load(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kyma-system"}}))
            .unwrap();
        for text in [seed::CRDS, seed::CLUSTER] {
            let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
            for document in documents {
                api.load(document).unwrap();
            }
        }
        api
    }

    fn start(api: &MemoryApi) -> (Arc<Source>, JoinHandle<()>) {
        let context = Context {
            client: Client::new(api.service(), "default"),
            origin: Arc::default(),
            telemetry: Arc::new(Telemetry::new("test")),
            changed: Wake::new(),
            state_changed: Wake::new(),
        };
        let module = Module {
            name: "keda".to_owned(),
            group: "operator.kyma-project.io".to_owned(),
            resource: "kedas".to_owned(),
            version: None,
            namespace: None,
        };
        let source = Arc::new(Source::new(module));
        let task = tokio::spawn(run(context, Arc::clone(&source), [Set::Module].into()));
        (source, task)
    }

    fn objects(source: &Source) -> usize {
        source.store.snapshot().len()
    }

    #[tokio::test(start_paused = true)]
    async fn a_right_that_is_withdrawn_ends_the_series_after_five_minutes_and_given_back_brings_them_back() {
        let api = api();
        let (source, _task) = start(&api);
        sleep(MINUTE).await;
        assert_eq!((source.state(), objects(&source)), (WatchState::Synced, 1));

        let kedas = Selection::resource(KEDAS);
        let fault = api.faults().add(Fault::forbidden(kedas.clone().verb("watch")));
        api.watches().end(&kedas);
        sleep(4 * MINUTE).await;
        assert_eq!((source.state(), objects(&source)), (WatchState::Forbidden { verb: "watch" }, 1));
        sleep(2 * MINUTE).await;
        assert_eq!(objects(&source), 0);
        api.faults().lift(fault);
        sleep(MINUTE).await;
        assert_eq!((source.state(), objects(&source)), (WatchState::Synced, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_fails_keeps_the_series_and_says_when_it_works_again() {
        let api = api();
        let (source, _task) = start(&api);
        sleep(MINUTE).await;
        let kedas = Selection::resource(KEDAS);
        let fault = api.faults().add(Fault::status(kedas.clone(), 503));
        api.watches().cut(&kedas);
        sleep(MINUTE).await;
        assert!(matches!(source.state(), WatchState::Failed { .. }), "{:?}", source.state());
        assert_eq!(objects(&source), 1);
        api.faults().lift(fault);
        sleep(Duration::from_secs(4)).await;
        assert_eq!(source.state(), WatchState::Synced, "without any event");
        assert_eq!(api.requests().count(&kedas.verb("list")), 1, "a watch that is back costs no list");
    }

    #[tokio::test(start_paused = true)]
    async fn a_kind_that_is_removed_ends_its_series_and_one_that_comes_is_found() {
        let api = api();
        let definitions: Vec<Value> = serde_saphyr::from_multiple(seed::CRDS).unwrap();
        let definition = definitions.into_iter().find(|it| it["metadata"]["name"] == KEDAS).unwrap();
        let (source, _task) = start(&api);
        sleep(MINUTE).await;
        api.delete("customresourcedefinitions.apiextensions.k8s.io", "", KEDAS).unwrap();
        sleep(MINUTE).await;
        assert_eq!((source.state(), objects(&source)), (WatchState::NotInstalled, 0));
        api.load(definition).unwrap();
        sleep(MINUTE).await;
        assert_eq!(source.state(), WatchState::Synced);
    }
}
