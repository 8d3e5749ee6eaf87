//! The exporters that run: one a pipeline that has an output and leads somewhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pipeline_api::Endpoint;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::export::{Exporter, Health, Plan, Sending, Settings};
use crate::telemetry::Telemetry;
use crate::term::Term;
use crate::wake::Wake;

/// What a pipeline's exporter is to do. A pipeline of which nothing is said has its series ended.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// Send this there.
    Send(Arc<Sending>),
    /// Send nothing for now.
    Hold,
    /// Go on as before.
    GoOn,
}

/// What all exporters are given.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) heartbeat: Duration,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) changed: Wake,
    pub(crate) health_changed: Wake,
}

/// Starts and stops exporters, within one term.
pub(crate) struct Exporters {
    shared: Shared,
    term: Term,
    running: BTreeMap<String, Running>,
    leaving: Vec<Leaving>,
}

struct Running {
    plan: watch::Sender<Plan>,
    sending: Arc<Sending>,
    health: watch::Receiver<Health>,
    done: CancellationToken,
    task: AbortOnDropHandle<()>,
}

/// An exporter that ends the series that it sent.
struct Leaving {
    pipeline: String,
    endpoint: Endpoint,
    done: CancellationToken,
    _task: AbortOnDropHandle<()>,
}

impl Exporters {
    pub(crate) fn new(shared: Shared, term: Term) -> Self {
        Self { shared, term, running: BTreeMap::new(), leaving: Vec::new() }
    }

    /// The term in which they send.
    pub(crate) fn term(&self) -> &Term {
        &self.term
    }

    /// Runs just what is wanted. One that is pointed to another backend ends its series at the old one first.
    pub(crate) fn ensure(&mut self, mut wanted: BTreeMap<String, Wanted>) {
        self.leaving.retain(|leaving| !leaving.done.is_cancelled());
        let gone: Vec<_> = self.running.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        for name in gone {
            self.end(&name);
        }
        // All ends come before any beginning, since one may be another's predecessor.
        wanted.retain(|name, wanted| !self.adjust(name, wanted));
        for (name, wanted) in wanted {
            if let Wanted::Send(sending) = wanted {
                self.end(&name);
                self.start(name, sending);
            }
        }
    }

    /// How exporting goes for a pipeline, if it has an exporter.
    pub(crate) fn health(&self, pipeline: &str) -> Option<Health> {
        self.running.get(pipeline).map(|running| running.health.borrow().clone())
    }

    /// Sends what is pending and stops all.
    pub(crate) async fn drain(self) {
        for running in self.running.values() {
            running.plan.send_replace(Plan::Drain);
        }
        for running in self.running.into_values() {
            running.done.cancelled().await;
        }
        for leaving in self.leaving {
            leaving.done.cancelled().await;
        }
    }

    /// Whether what is wanted is a matter of the exporter that runs, or of none.
    fn adjust(&mut self, name: &str, wanted: &Wanted) -> bool {
        let Some(running) = self.running.get_mut(name) else { return !matches!(wanted, Wanted::Send(_)) };
        match wanted {
            Wanted::GoOn => true,
            Wanted::Hold => {
                let holds = matches!(*running.plan.borrow(), Plan::Hold);
                if !holds {
                    running.plan.send_replace(Plan::Hold);
                }
                true
            }
            Wanted::Send(sending) => {
                if running.sending.output.destination() != sending.output.destination() {
                    return false;
                }
                let holds = matches!(*running.plan.borrow(), Plan::Hold);
                if holds || running.sending != *sending {
                    running.sending = Arc::clone(sending);
                    running.plan.send_replace(Plan::Send(Arc::clone(&running.sending)));
                }
                true
            }
        }
    }

    fn end(&mut self, name: &str) {
        let Some(running) = self.running.remove(name) else { return };
        running.plan.send_replace(Plan::End);
        self.leaving.push(Leaving {
            pipeline: name.to_owned(),
            endpoint: running.sending.output.endpoint.clone(),
            done: running.done,
            _task: running.task,
        });
    }

    fn start(&mut self, name: String, sending: Arc<Sending>) {
        let endpoint = &sending.output.endpoint;
        let before =
            self.leaving.iter().filter(|leaving| leaving.pipeline == name || leaving.endpoint == *endpoint);
        let before: Vec<_> = before.map(|leaving| leaving.done.clone()).collect();
        let (plan, plan_receiver) = watch::channel(Plan::Send(Arc::clone(&sending)));
        let (health_sender, health) = watch::channel(Health::default());
        let done = CancellationToken::new();
        let settings = Settings {
            pipeline: name.clone(),
            term: self.term.clone(),
            heartbeat: self.shared.heartbeat,
            telemetry: Arc::clone(&self.shared.telemetry),
            changed: self.shared.changed.subscribe(),
            health_changed: self.shared.health_changed.clone(),
        };
        let guard = done.clone().drop_guard();
        let task = tokio::spawn(async move {
            let _guard = guard;
            for predecessor in before {
                predecessor.cancelled().await;
            }
            Exporter::new(settings, plan_receiver, health_sender).run().await;
        });
        let task = AbortOnDropHandle::new(task);
        self.running.insert(name, Running { plan, sending, health, done, task });
    }
}
