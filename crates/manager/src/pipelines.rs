//! Reconciles the pipelines: one loop that looks at everything, decides by pure functions, and adjusts what runs.
//!
//! Every replica watches what the pipelines select; the leader alone has exporters and writes statuses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kube::Client;
use pipeline_api::{Candidate, Invalid, Resolved, Selection, duplicates, resolve};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::catalog::{Catalog, Module};
use crate::clock;
use crate::export::Selected;
use crate::exporters::{self, Exporters, Wanted};
use crate::gates::Gates;
use crate::identity::Identity;
use crate::known::{Known, Pipeline};
use crate::leader::Terms;
use crate::references::References;
use crate::reports::{Reports, View};
use crate::selection;
use crate::source::WatchState;
use crate::sources::{Sources, Watched};
use crate::wake::{Wake, Woken};
use crate::watch::Context;

/// At the latest then everything is looked at again.
const AGAIN: Duration = Duration::from_secs(30);
/// For so long every replica remembers what ended.
const REMEMBERED: Duration = Duration::from_mins(10);

/// What a pipeline comes to.
pub(crate) type Resolution = Result<Resolved, Invalid>;

/// What the loop is given once.
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) catalog: Catalog,
    pub(crate) known: Known,
    pub(crate) watched: Watched,
    pub(crate) identity: watch::Receiver<Identity>,
    pub(crate) terms: Terms,
    pub(crate) exporting: exporters::Shared,
    pub(crate) gates: Arc<Gates>,
    pub(crate) changed: Wake,
    pub(crate) reports: Reports,
}

/// The loop.
pub(crate) struct Pipelines {
    parts: Parts,
    woken: Woken,
    references: References,
    sources: Option<Sources>,
    /// What is wanted to be watched.
    watched: BTreeSet<Module>,
    exporters: Option<Exporters>,
    /// What each pipeline came to last, for the time in which a Secret that it refers to is being looked up.
    resolved: BTreeMap<String, Resolved>,
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
            watched: BTreeSet::new(),
            exporters: None,
            resolved: BTreeMap::new(),
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
        let said = self.report(&pipelines, &resolutions, now);
        let wakes = resolutions.values().filter_map(recheck_at).chain(said).filter(|wake| *wake > now).min();
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
            self.parts.reports.forget();
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
        let now: BTreeSet<Module> = wanted.into_keys().collect();
        let before = std::mem::replace(&mut self.watched, now);
        for module in before.union(&self.watched) {
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
                    let chosen = selection::chosen(&self.parts.catalog, selection).into_iter();
                    let selected = chosen.filter_map(|(module, sets)| {
                        Some(Selected { source: Arc::clone(sources.get(&module)?), sets })
                    });
                    Wanted::Send { output, selected: selected.collect() }
                }
            };
            Some((name.clone(), wanted))
        });
        exporters.ensure(&wanted.collect());
    }

    fn report(
        &mut self,
        pipelines: &BTreeMap<String, Pipeline>,
        resolutions: &BTreeMap<String, Resolution>,
        now: SystemTime,
    ) -> Option<SystemTime> {
        let view = View {
            catalog: &self.parts.catalog,
            identity: &self.parts.identity.borrow(),
            sources: self.sources.as_ref(),
            exporters: self.exporters.as_ref()?,
        };
        self.parts.reports.report(&view, pipelines, resolutions, now)
    }
}

fn recheck_at(resolution: &Resolution) -> Option<SystemTime> {
    match resolution {
        Ok(resolved) => resolved.recheck_at,
        Err(invalid) => invalid.recheck_at(),
    }
}

/// What a pipeline selects, whether or not its output is valid.
pub(crate) fn selected(resolution: &Resolution) -> Option<&Selection> {
    match resolution {
        Ok(resolved) => resolved.selection.as_ref(),
        Err(invalid) => invalid.selection(),
    }
}
