//! Reconciles the pipelines: one loop that looks at everything, decides by pure functions, and adjusts what runs.
//!
//! Every replica watches what the pipelines select; the leader alone has exporters and writes statuses.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kube::Client;
use pipeline_api::{
    Candidate, FlowHealth, GatewayHealth, Invalid, MetricPipelineStatus, ModulesObservation, Observed,
    Resolved, Selection, ServiceAccount, duplicates, needs_write, resolve, status,
};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::catalog::Catalog;
use crate::clock;
use crate::events::News;
use crate::export::Selected;
use crate::exporters::{self, Exporters, Wanted};
use crate::gates::Gates;
use crate::identity::Identity;
use crate::known::{Known, Pipeline};
use crate::leader::Terms;
use crate::references::References;
use crate::selection;
use crate::source::{Source, WatchState};
use crate::sources::{Sources, Watched};
use crate::statuses::{Write, Writes};
use crate::wake::{Wake, Woken};
use crate::watch::Context;

/// At the latest then everything is looked at again.
const AGAIN: Duration = Duration::from_secs(30);
/// What it is too early for is looked at again so soon.
const AGAIN_SOON: Duration = Duration::from_secs(1);
/// For so long every replica remembers what ended.
const REMEMBERED: Duration = Duration::from_mins(10);

type Resolution = Result<Resolved, Invalid>;

/// What the loop is given once.
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) catalog: Catalog,
    pub(crate) manager: ServiceAccount,
    pub(crate) known: Known,
    pub(crate) watched: Watched,
    pub(crate) identity: watch::Receiver<Identity>,
    pub(crate) terms: Terms,
    pub(crate) exporting: exporters::Shared,
    pub(crate) gates: Arc<Gates>,
    pub(crate) changed: Wake,
    pub(crate) writes: watch::Sender<Writes>,
    pub(crate) news: mpsc::Sender<News>,
}

/// The loop.
pub(crate) struct Pipelines {
    parts: Parts,
    woken: Woken,
    references: References,
    sources: Option<Sources>,
    exporters: Option<Exporters>,
    /// What each pipeline came to last, for the time in which a Secret that it refers to is being looked up.
    resolved: BTreeMap<String, Resolved>,
    /// The last status of each pipeline, by its name and uid.
    statuses: BTreeMap<(String, String), MetricPipelineStatus>,
}

impl Pipelines {
    pub(crate) fn new(parts: Parts) -> Self {
        let references = References::new(parts.client.clone(), parts.changed.clone());
        let woken = parts.changed.subscribe();
        Self {
            parts,
            woken,
            references,
            sources: None,
            exporters: None,
            resolved: BTreeMap::new(),
            statuses: BTreeMap::new(),
        }
    }

    /// Reconciles until `stop`, then sends what is pending.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            let again = self.reconcile(clock::now());
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = self.woken.woken() => {}
                () = sleep(again) => {}
            }
        }
        if let Some(exporters) = self.exporters.take() {
            exporters.drain().await;
        }
    }

    /// Adjusts everything to what is known now. Returns when to look again if nothing happens.
    fn reconcile(&mut self, now: SystemTime) -> Duration {
        self.forget_ended(now);
        self.begin_watching();
        self.follow_term();
        let Some(pipelines) = self.parts.known.all() else { return AGAIN };
        self.references.ensure(pipelines.values().filter_map(|pipeline| pipeline.spec.as_ref().ok()));
        let resolutions = self.resolve(&pipelines, now);
        self.watch(&resolutions);
        self.export(&resolutions);
        let wakes = self.write(&pipelines, &resolutions, now);
        wakes.map_or(AGAIN, |at| at.duration_since(now).unwrap_or_default().min(AGAIN))
    }

    fn forget_ended(&self, now: SystemTime) {
        let before_ms = clock::to_ms(now - REMEMBERED);
        for source in self.parts.watched.all() {
            source.store.forget_ended(before_ms);
        }
    }

    /// Nothing can be translated before it is known which cluster this is.
    fn begin_watching(&mut self) {
        if self.sources.is_some() {
            return;
        }
        let Ok(origin) = self.parts.identity.borrow().clone() else { return };
        let context = Context {
            client: self.parts.client.clone(),
            origin,
            telemetry: Arc::clone(&self.parts.exporting.telemetry),
            changed: self.parts.exporting.changed.clone(),
            state_changed: self.parts.changed.clone(),
        };
        self.sources = Some(Sources::new(context, self.parts.watched.clone()));
    }

    /// Exporters live within one term: a hand-over ends nothing, and a new term begins anew.
    fn follow_term(&mut self) {
        let term = self.parts.terms.borrow().clone();
        let same = match (&term, &self.exporters) {
            (Some(term), Some(exporters)) => term.is(exporters.term()),
            (None, None) => true,
            _ => false,
        };
        if !same {
            self.exporters = term.map(|term| Exporters::new(self.parts.exporting.clone(), term));
            self.statuses.clear();
            self.parts.writes.send_replace(Writes::new());
        }
    }

    fn resolve(
        &mut self,
        pipelines: &BTreeMap<String, Pipeline>,
        now: SystemTime,
    ) -> BTreeMap<String, Resolution> {
        let resolve_one = |(name, pipeline): (&String, &Pipeline)| {
            let resolution = match &pipeline.spec {
                Ok(spec) => resolve(spec, &self.references.look_up(spec), now),
                Err(error) => Err(Invalid::unreadable(error)),
            };
            (name.clone(), resolution)
        };
        let mut resolutions: BTreeMap<_, _> = pipelines.iter().map(resolve_one).collect();
        self.remember(&resolutions);
        let mut candidates = Vec::with_capacity(self.resolved.len());
        for (name, resolved) in &self.resolved {
            let created = pipelines.get(name).and_then(|pipeline| pipeline.created);
            candidates.push(Candidate { name, created, resolved });
        }
        for (younger, older) in duplicates(&candidates) {
            let Some(resolution) = resolutions.get_mut(&younger) else { continue };
            if let Ok(resolved) = resolution.clone() {
                *resolution = Err(Invalid::duplicate_of(older, resolved));
            }
        }
        resolutions
    }

    /// A pipeline whose Secret is being looked up goes on as before, and so is in others' way as before.
    fn remember(&mut self, resolutions: &BTreeMap<String, Resolution>) {
        self.resolved.retain(|name, _| {
            resolutions.get(name).and_then(|it| it.as_ref().err()).is_some_and(Invalid::is_pending)
        });
        let resolved =
            resolutions.iter().filter_map(|(name, it)| Some((name.clone(), it.as_ref().ok()?.clone())));
        self.resolved.extend(resolved);
    }

    fn watch(&mut self, resolutions: &BTreeMap<String, Resolution>) {
        let Some(sources) = &mut self.sources else { return };
        let wanted = selection::union(&self.parts.catalog, resolutions.values().filter_map(selected));
        sources.ensure(&wanted);
        for module in &self.parts.catalog.modules {
            let gate = format!("{}.{}", module.resource, module.group);
            match sources.get(module).map(|source| source.state()) {
                Some(WatchState::Pending) => self.parts.gates.close(&gate, "the first list"),
                Some(WatchState::Failed { error }) => {
                    self.parts.gates.note(&gate, format!("the watch fails: {error}"));
                }
                Some(WatchState::Forbidden { verb }) => {
                    self.parts.gates.note(&gate, format!("the manager may not {verb} it"));
                }
                Some(WatchState::NotInstalled) => self.parts.gates.note(&gate, "not installed"),
                Some(WatchState::Synced) | None => self.parts.gates.open(&gate),
            }
        }
    }

    fn export(&mut self, resolutions: &BTreeMap<String, Resolution>) {
        let (Some(sources), Some(exporters)) = (&self.sources, &mut self.exporters) else { return };
        let wanted = resolutions.iter().filter_map(|(name, resolution)| {
            let wanted = match resolution {
                Err(invalid) if invalid.is_pending() => Wanted::GoOn,
                Err(invalid) if invalid.input_disabled() => return None,
                Err(invalid) => Wanted::Hold { revoked: invalid.misses_secret() },
                Ok(resolved) => {
                    let selection = resolved.selection.as_ref()?;
                    let output = Arc::new(resolved.output.clone()?);
                    let selected = selection::modules(&self.parts.catalog, selection).filter_map(|module| {
                        let source = Arc::clone(sources.get(module)?);
                        Some(Selected { source, sets: selection::sets(selection) })
                    });
                    Wanted::Send { output, selected: selected.collect() }
                }
            };
            Some((name.clone(), wanted))
        });
        exporters.ensure(&wanted.collect());
    }

    /// Decides the statuses, and has those written that say something new.
    fn write(
        &mut self,
        pipelines: &BTreeMap<String, Pipeline>,
        resolutions: &BTreeMap<String, Resolution>,
        now: SystemTime,
    ) -> Option<SystemTime> {
        let mut wakes: Vec<SystemTime> = Vec::new();
        let mut writes = Writes::new();
        let mut statuses = BTreeMap::new();
        for (name, resolution) in resolutions {
            let Some(pipeline) = pipelines.get(name) else { continue };
            wakes.extend(match resolution {
                Ok(resolved) => resolved.recheck_at,
                Err(invalid) => invalid.recheck_at(),
            });
            let Some(exporters) = &self.exporters else { continue };
            if resolution.as_ref().is_err_and(Invalid::is_pending) {
                continue;
            }
            let health = exporters.health(name).unwrap_or_default();
            let (flow, wake) = health.flow(now);
            wakes.extend(wake);
            let key = (name.clone(), pipeline.uid.clone());
            let previous = self.statuses.get(&key).unwrap_or(&pipeline.status);
            let next = if self.is_too_early(resolution) {
                wakes.push(now + AGAIN_SOON);
                previous.clone()
            } else {
                self.status(pipeline, resolution, flow, previous, now)
            };
            self.tell(name, pipeline, previous, &next);
            if needs_write(Some(&pipeline.status), &next) {
                let (seen, term) = (pipeline.version.clone(), exporters.term().clone());
                writes.insert(name.clone(), Write { seen, status: next.clone(), term });
            }
            statuses.insert(key, next);
        }
        self.statuses = statuses;
        self.parts.writes.send_if_modified(|known| {
            let news = *known != writes;
            *known = writes;
            news
        });
        wakes.into_iter().filter(|wake| *wake > now).min()
    }

    /// A list usually comes at once: that it has not come yet is said only if it does not.
    fn is_too_early(&self, resolution: &Resolution) -> bool {
        let (Some(selection), Some(sources)) = (selected(resolution), &self.sources) else { return false };
        let is_early = |source: &Arc<Source>| source.state() == WatchState::Pending && source.is_young();
        selection::modules(&self.parts.catalog, selection)
            .filter_map(|module| sources.get(module))
            .any(is_early)
    }

    fn status(
        &self,
        pipeline: &Pipeline,
        resolution: &Resolution,
        flow: FlowHealth,
        previous: &MetricPipelineStatus,
        now: SystemTime,
    ) -> MetricPipelineStatus {
        let modules = match (selected(resolution), &self.sources) {
            (Some(selection), Some(sources)) => {
                let source = |module: &_| sources.get(module);
                ModulesObservation::Report(selection::report(&self.parts.catalog, selection, source))
            }
            _ => ModulesObservation::Pending,
        };
        let observed = Observed {
            generation: pipeline.generation,
            configuration: resolution.as_ref(),
            gateway: self.gateway(&modules),
            flow,
            modules,
            manager: &self.parts.manager,
        };
        status(&observed, Some(previous), now)
    }

    fn gateway(&self, modules: &ModulesObservation) -> GatewayHealth {
        if let Err(why) = &*self.parts.identity.borrow() {
            return GatewayHealth::NotReady { waiting_for: format!("the identity of the cluster: {why}") };
        }
        let pending = match modules {
            ModulesObservation::Report(report) => report.pending.first(),
            ModulesObservation::Pending => None,
        };
        match pending {
            Some(kind) => GatewayHealth::NotReady {
                waiting_for: format!("the first list of {}.{}", kind.resource, kind.group),
            },
            None => GatewayHealth::Ready,
        }
    }

    /// Logs what is new, and has it told as events.
    fn tell(
        &self,
        name: &str,
        pipeline: &Pipeline,
        previous: &MetricPipelineStatus,
        next: &MetricPipelineStatus,
    ) {
        for condition in &next.conditions {
            let known = previous.conditions.iter().find(|known| known.type_ == condition.type_);
            if known
                .is_some_and(|known| (&known.status, &known.reason) == (&condition.status, &condition.reason))
            {
                continue;
            }
            let (kind, reason, message) = (&condition.type_, &condition.reason, &condition.message);
            let is_problem = condition.status == "False";
            if is_problem {
                warn!(pipeline = name, condition = kind, reason, "{message}");
            } else {
                info!(pipeline = name, condition = kind, reason, "{message}");
            }
            let recovered = known.is_some_and(|known| known.status == "False") && condition.status == "True";
            if is_problem || recovered {
                let news = News {
                    pipeline: name.to_owned(),
                    uid: pipeline.uid.clone(),
                    is_problem,
                    reason: reason.clone(),
                    message: message.clone(),
                };
                // Where events cannot be written as fast as things happen, the conditions still say them.
                let _ = self.parts.news.try_send(news);
            }
        }
    }
}

/// What a pipeline selects, whether or not its output is valid.
fn selected(resolution: &Resolution) -> Option<&Selection> {
    match resolution {
        Ok(resolved) => resolved.selection.as_ref(),
        Err(invalid) => invalid.selection(),
    }
}
