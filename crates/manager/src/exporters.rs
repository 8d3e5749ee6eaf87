//! The exporters that run: one a pipeline that has an output and leads somewhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pipeline_api::{Endpoint, OtlpOutput};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use crate::export::{Claims, Exporter, Health, Plan, Selected, Sending, Settings};
use crate::telemetry::Telemetry;
use crate::term::Term;
use crate::wake::Wake;

/// What a pipeline's exporter is to do. A pipeline of which nothing is said has its series ended.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// Send this there.
    Send { output: Arc<OtlpOutput>, selected: Vec<Selected> },
    /// Send nothing for now.
    Hold {
        /// Credentials are gone, and must not be used again.
        revoked: bool,
    },
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

/// How long sending what is pending may take at a shutdown, all together.
const DRAINING: Duration = Duration::from_secs(10);
/// For so long it is too early to say how a new exporter goes.
const EARLY: Duration = Duration::from_secs(5);

/// Starts and stops exporters, within one term.
pub(crate) struct Exporters {
    shared: Shared,
    term: Term,
    running: BTreeMap<String, Running>,
    leaving: Vec<Leaving>,
}

struct Running {
    /// Dropped first: without a plan it would not know what to do.
    task: AbortOnDropHandle<()>,
    plan: watch::Sender<Plan>,
    sending: Arc<Sending>,
    health: watch::Receiver<Health>,
    done: CancellationToken,
    since: Instant,
}

impl Running {
    fn send(&mut self, sending: Arc<Sending>) {
        let holds = !matches!(*self.plan.borrow(), Plan::Send(_));
        if holds || self.sending != sending {
            self.sending = sending;
            self.plan.send_replace(Plan::Send(Arc::clone(&self.sending)));
        }
    }

    fn hold(&mut self, revoked: bool) {
        let known = match *self.plan.borrow() {
            Plan::Hold { revoked } => Some(revoked),
            _ => None,
        };
        if known != Some(revoked) {
            self.plan.send_replace(Plan::Hold { revoked });
        }
    }
}

/// An exporter that ends the series that it sent.
struct Leaving {
    pipeline: String,
    endpoint: Endpoint,
    done: CancellationToken,
    /// Without it the exporter would take its plan for changed.
    _plan: watch::Sender<Plan>,
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
    pub(crate) fn ensure(&mut self, wanted: &BTreeMap<String, Wanted>) {
        self.leaving.retain(|leaving| !leaving.done.is_cancelled());
        let claimed = self.claimed(wanted);
        let sendings = sendings(wanted, &claimed);
        // All ends come before any beginning, since one may be another's predecessor.
        let names: Vec<_> = self.running.keys().cloned().collect();
        for name in names {
            if !self.stays(&name, wanted.get(&name), sendings.get(&name)) {
                self.end(&name, &claimed);
            }
        }
        for (name, sending) in sendings {
            match self.running.get_mut(&name) {
                Some(running) => running.send(sending),
                None => self.start(name, sending),
            }
        }
        for (name, wanted) in wanted {
            if let (Wanted::Hold { revoked }, Some(running)) = (wanted, self.running.get_mut(name)) {
                running.hold(*revoked);
            }
        }
    }

    /// How exporting goes for a pipeline, if it has an exporter.
    pub(crate) fn health(&self, pipeline: &str) -> Option<Health> {
        self.running.get(pipeline).map(|running| running.health.borrow().clone())
    }

    /// Whether the exporter of a pipeline began just now, so that it is too early to say how it goes.
    pub(crate) fn is_new(&self, pipeline: &str) -> bool {
        self.running.get(pipeline).is_some_and(|running| {
            running.since.elapsed() < EARLY && *running.health.borrow() == Health::default()
        })
    }

    /// Sends what is pending and stops all. What holds sends nothing.
    pub(crate) async fn drain(mut self) {
        self.running.retain(|_, running| matches!(*running.plan.borrow(), Plan::Send(_)));
        for running in self.running.values() {
            running.plan.send_replace(Plan::Drain);
        }
        let all = async {
            for running in self.running.values() {
                running.done.cancelled().await;
            }
            for leaving in &self.leaving {
                leaving.done.cancelled().await;
            }
        };
        if timeout(DRAINING, all).await.is_err() {
            warn!("Not everything could be sent before the shutdown");
        }
    }

    /// Whether the exporter that runs is the one that is wanted, and not only one of the same name.
    fn stays(&self, name: &str, wanted: Option<&Wanted>, sending: Option<&Arc<Sending>>) -> bool {
        let Some(running) = self.running.get(name) else { return false };
        match (wanted, sending) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(_), Some(sending)) => running.sending.output.destination() == sending.output.destination(),
        }
    }

    fn end(&mut self, name: &str, claimed: &Sendings) {
        let Some(running) = self.running.remove(name) else { return };
        let mut others = claims(name, &running.sending.output, claimed);
        // Pointed to the same backend in other words, its series live on.
        let own = claimed.get(name).filter(|own| own.output.same_backend(&running.sending.output));
        others.extend(own.into_iter().flat_map(|own| own.claims()));
        running.plan.send_replace(Plan::End(others));
        self.leaving.push(Leaving {
            pipeline: name.to_owned(),
            endpoint: running.sending.output.endpoint.clone(),
            done: running.done,
            _plan: running.plan,
            _task: running.task,
        });
    }

    /// What each pipeline that stays is to send, or sends as long as it goes on or holds.
    fn claimed(&self, wanted: &BTreeMap<String, Wanted>) -> Sendings {
        let sending = |(name, wanted): (&String, &Wanted)| {
            let sending = match wanted {
                Wanted::Send { output, selected } => {
                    let (output, selected) = (Arc::clone(output), selected.clone());
                    Arc::new(Sending { output, selected, others: Claims::new() })
                }
                Wanted::Hold { .. } | Wanted::GoOn => Arc::clone(&self.running.get(name)?.sending),
            };
            Some((name.clone(), sending))
        };
        wanted.iter().filter_map(sending).collect()
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
        self.running.insert(name, Running { task, plan, sending, health, done, since: Instant::now() });
    }
}

type Sendings = BTreeMap<String, Arc<Sending>>;

/// What each pipeline is to send, with what the others send to the same backend.
fn sendings(wanted: &BTreeMap<String, Wanted>, claimed: &Sendings) -> Sendings {
    let sends = |name: &String| matches!(wanted.get(name), Some(Wanted::Send { .. }));
    let with_others = |(name, sending): (&String, &Arc<Sending>)| {
        let (output, selected) = (Arc::clone(&sending.output), sending.selected.clone());
        let others = claims(name, &output, claimed);
        (name.clone(), Arc::new(Sending { output, selected, others }))
    };
    claimed.iter().filter(|(name, _)| sends(name)).map(with_others).collect()
}

/// What others send to the backend of this output.
fn claims(name: &str, output: &OtlpOutput, claimed: &Sendings) -> Claims {
    let others = claimed.iter().filter(|(other, _)| *other != name).map(|(_, sending)| sending);
    let same = |other: &&Arc<Sending>| {
        other.output.same_backend(output) || other.output.destination() == output.destination()
    };
    others.filter(same).flat_map(|other| other.claims()).collect()
}
