//! What is said of each pipeline: decided by pure functions, then logged, told as an Event and handed over to be written, each
//! only if it is news.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use pipeline_api::{
    FlowHealth, GatewayHealth, Invalid, MetricPipelineStatus, ModulesObservation, Observed, Reason,
    ServiceAccount, needs_write, status,
};
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

use crate::catalog::Catalog;
use crate::events::News;
use crate::exporters::Exporters;
use crate::identity::Identity;
use crate::known::Pipeline;
use crate::pipelines::{Resolution, selected};
use crate::selection;
use crate::source::{Source, WatchState};
use crate::sources::Sources;
use crate::statuses::{Write, Writes};
use crate::term::Term;

/// What it is too early for is looked at again so soon.
const AGAIN_SOON: Duration = Duration::from_secs(1);

/// These follow from `ConfigurationGenerated`, which says what is wrong.
const FOLLOWS: [&str; 2] =
    [Reason::GatewayConfigurationNotGenerated.as_str(), Reason::ConfigurationNotGenerated.as_str()];

/// What there is to look at. Whoever has exporters leads, and may report.
pub(crate) struct View<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) identity: &'a Identity,
    pub(crate) sources: Option<&'a Sources>,
    pub(crate) exporters: &'a Exporters,
}

/// Reports, and remembers what it said.
pub(crate) struct Reports {
    manager: ServiceAccount,
    writes: watch::Sender<Writes>,
    news: mpsc::Sender<News>,
    /// The last status of each pipeline, by its name and uid.
    said: BTreeMap<(String, String), MetricPipelineStatus>,
}

impl Reports {
    pub(crate) fn new(
        manager: ServiceAccount,
        writes: watch::Sender<Writes>,
        news: mpsc::Sender<News>,
    ) -> Self {
        Self { manager, writes, news, said: BTreeMap::new() }
    }

    /// Says nothing more, as another replica does.
    pub(crate) fn forget(&mut self) {
        self.said.clear();
        self.writes.send_replace(Writes::new());
    }

    /// Reports of all pipelines. Returns when there may be something else to say if nothing happens.
    pub(crate) fn report(
        &mut self,
        view: &View<'_>,
        pipelines: &BTreeMap<String, Pipeline>,
        resolutions: &BTreeMap<String, Resolution>,
        now: SystemTime,
    ) -> Option<SystemTime> {
        let mut wakes = Vec::new();
        let mut writes = Writes::new();
        let mut said = BTreeMap::new();
        for (name, resolution) in resolutions {
            // About one whose Secret is being looked up something is about to be known.
            let Some(pipeline) = pipelines.get(name).filter(|_| !is_pending(resolution)) else { continue };
            let key = (name.clone(), pipeline.uid.clone());
            let previous = self.said.get(&key).unwrap_or(&pipeline.status);
            let (next, wake) = self.decide(view, (name, pipeline), resolution, previous, now);
            wakes.extend(wake);
            self.tell((name, pipeline), previous, &next, view.exporters.term());
            if needs_write(Some(&pipeline.status), &next) {
                let (seen, term) = (pipeline.version.clone(), view.exporters.term().clone());
                writes.insert(name.clone(), Write { seen, status: next.clone(), term });
            }
            said.insert(key, next);
        }
        self.said = said;
        self.writes.send_if_modified(|known| {
            let news = *known != writes;
            *known = writes;
            news
        });
        wakes.into_iter().min()
    }

    fn decide(
        &self,
        view: &View<'_>,
        (name, pipeline): (&str, &Pipeline),
        resolution: &Resolution,
        previous: &MetricPipelineStatus,
        now: SystemTime,
    ) -> (MetricPipelineStatus, Option<SystemTime>) {
        if view.is_too_early(resolution) || view.exporters.is_new(name) {
            return (previous.clone(), Some(now + AGAIN_SOON));
        }
        let (flow, wake) = view.exporters.health(name).unwrap_or_default().flow(now);
        (self.status(view, pipeline, resolution, flow, previous, now), wake)
    }

    fn status(
        &self,
        view: &View<'_>,
        pipeline: &Pipeline,
        resolution: &Resolution,
        flow: FlowHealth,
        previous: &MetricPipelineStatus,
        now: SystemTime,
    ) -> MetricPipelineStatus {
        let modules = view.modules(resolution);
        let observed = Observed {
            generation: pipeline.generation,
            configuration: resolution.as_ref(),
            gateway: view.gateway(&modules),
            flow,
            modules,
            manager: &self.manager,
        };
        status(&observed, Some(previous), now)
    }

    /// Logs what is new, and has it told as an Event where it concerns somebody.
    fn tell(
        &self,
        (name, pipeline): (&str, &Pipeline),
        previous: &MetricPipelineStatus,
        next: &MetricPipelineStatus,
        term: &Term,
    ) {
        for condition in &next.conditions {
            let known = previous.conditions.iter().find(|known| known.type_ == condition.type_);
            if known.is_some_and(|known| known.status == condition.status && known.reason == condition.reason)
            {
                continue;
            }
            let is_problem = condition.status == "False" && !FOLLOWS.contains(&condition.reason.as_str());
            let recovered = known.is_some_and(|known| known.status == "False") && condition.status == "True";
            log(name, condition, is_problem, known.is_some());
            if is_problem || recovered {
                // Where events cannot be written as fast as things happen, the conditions still say them.
                let _ = self.news.try_send(News {
                    term: term.clone(),
                    pipeline: name.to_owned(),
                    uid: pipeline.uid.clone(),
                    is_problem,
                    reason: condition.reason.clone(),
                    message: condition.message.clone(),
                });
            }
        }
    }
}

fn is_pending(resolution: &Resolution) -> bool {
    resolution.as_ref().is_err_and(Invalid::is_pending)
}

/// That a new pipeline is fine is no news.
fn log(
    pipeline: &str,
    Condition { type_: condition, reason, message, .. }: &Condition,
    is_problem: bool,
    is_change: bool,
) {
    if is_problem {
        warn!(pipeline, condition, reason, "{message}");
    } else if is_change {
        info!(pipeline, condition, reason, "{message}");
    } else {
        debug!(pipeline, condition, reason, "{message}");
    }
}

impl View<'_> {
    /// A list usually comes at once: that it has not come yet is said only if it does not.
    fn is_too_early(&self, resolution: &Resolution) -> bool {
        let (Some(selection), Some(sources)) = (selected(resolution), self.sources) else { return false };
        let is_early = |source: &Arc<Source>| source.state() == WatchState::Pending && source.is_young();
        selection::chosen(self.catalog, selection)
            .iter()
            .filter_map(|(module, _)| sources.get(module))
            .any(is_early)
    }

    fn modules(&self, resolution: &Resolution) -> ModulesObservation {
        match (selected(resolution), self.sources) {
            (Some(selection), Some(sources)) => {
                let source = |module: &_| sources.get(module);
                ModulesObservation::Report(selection::report(self.catalog, selection, source))
            }
            _ => ModulesObservation::Pending,
        }
    }

    fn gateway(&self, modules: &ModulesObservation) -> GatewayHealth {
        if let Err(why) = self.identity {
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
}
