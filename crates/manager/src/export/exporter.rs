//! One pipeline's exporter: a loop that waits, gathers what its backend was not told yet, and sends it.
//!
//! One request is under way at a time, and nothing newer is tried while it is. Each source has a position: the revision up to
//! which the backend has acknowledged it. What ended since is told with the next request that is complete.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use pipeline_api::OtlpOutput;
use status_metrics::{Changes, Set};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{info, warn};

use super::health::Health;
use super::outcome::Outcome;
use super::plan::{Plan, Selected, Sending};
use super::request::{Request, Requests, Stamp};
use super::transport::Transport;
use crate::catalog::Module;
use crate::clock;
use crate::source::Source;
use crate::telemetry::{PointsOutcome, Telemetry};
use crate::term::Term;
use crate::wake::{Wake, Woken};

/// Changes that come closer together than this leave together.
const GATHER: Duration = Duration::from_millis(200);
/// How long a backend may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// A request that could not be delivered for so long is given up; a complete export follows.
const GIVE_UP: Duration = Duration::from_mins(30);
/// How long ending the series at a backend may take.
const ENDING: Duration = Duration::from_secs(10);
/// How long sending what is pending may take at a shutdown.
const DRAINING: Duration = Duration::from_secs(5);

/// What an exporter is given once.
pub(crate) struct Settings {
    /// The pipeline's name.
    pub(crate) pipeline: String,
    pub(crate) term: Term,
    pub(crate) heartbeat: Duration,
    pub(crate) telemetry: Arc<Telemetry>,
    /// Woken by every change of a series.
    pub(crate) changed: Woken,
    /// Woken when the health changes.
    pub(crate) health_changed: Wake,
}

/// How far a backend was told about one source.
struct Told {
    source: Arc<Source>,
    sets: BTreeSet<Set>,
    /// `None`: nothing yet, or the sets have changed.
    acknowledged: Option<u64>,
    /// Up to where it was tried: what is refused is not tried again before something changes.
    tried: Option<u64>,
}

/// What goes into the requests of one pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// What changed since the backend was told last.
    Changes,
    /// Everything, and what ended since the backend was told last.
    Complete,
}

/// How a pass, or a request, went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sent {
    /// There was nothing to send.
    Nothing,
    /// Taken whole, at the first try.
    Whole,
    /// Taken whole, after failures.
    Late,
    /// Something was dropped.
    Lost,
}

/// Sends the series of one pipeline to one backend.
pub(crate) struct Exporter {
    settings: Settings,
    plan: watch::Receiver<Plan>,
    health: watch::Sender<Health>,
    told: BTreeMap<Module, Told>,
    /// Series that are not selected any more and that the backend still shows.
    leaving: Vec<Told>,
    link: Option<Link>,
    /// The newest time that was stamped.
    floor_ms: u64,
}

impl Exporter {
    pub(crate) fn new(
        settings: Settings,
        plan: watch::Receiver<Plan>,
        health: watch::Sender<Health>,
    ) -> Self {
        let floor_ms = settings.term.stamped_ms();
        Self { settings, plan, health, told: BTreeMap::new(), leaving: Vec::new(), link: None, floor_ms }
    }

    /// Works as the plan says, until the plan says stop.
    pub(crate) async fn run(mut self) {
        loop {
            let plan = self.plan.borrow_and_update().clone();
            match plan {
                Plan::Send(sending) => self.send(&sending).await,
                Plan::Hold => {
                    // The credentials may have been revoked.
                    self.link = None;
                    if self.plan.changed().await.is_err() {
                        return;
                    }
                }
                Plan::End => return self.end().await,
                Plan::Drain => return self.drain().await,
            }
        }
    }

    /// Sends until the plan changes: everything at first, then each change, and everything again at each heartbeat.
    async fn send(&mut self, sending: &Sending) {
        self.select(&sending.selected);
        let Some(mut link) = self.link(&sending.output) else {
            let _ = self.plan.changed().await;
            return;
        };
        let mut plan = self.plan.clone();
        tokio::select! {
            biased;
            _ = plan.changed() => {}
            () = self.work(&mut link) => {}
        }
        self.link = Some(link);
    }

    async fn work(&mut self, link: &mut Link) {
        let mut scope = Scope::Complete;
        let mut heartbeat = Instant::now();
        loop {
            let started = Instant::now();
            if scope == Scope::Complete {
                heartbeat = started + self.settings.heartbeat;
            }
            scope = match self.pass(link, scope).await {
                Sent::Late => Scope::Complete,
                Sent::Nothing | Sent::Whole => self.wait(started, heartbeat).await,
                Sent::Lost => {
                    sleep(link.pause()).await;
                    self.wait(started, heartbeat).await
                }
            };
        }
    }

    /// Waits until there is something to tell.
    async fn wait(&mut self, last: Instant, heartbeat: Instant) -> Scope {
        let gathered = last + GATHER;
        loop {
            if self.is_behind() {
                let until = gathered.min(heartbeat);
                sleep_until(until).await;
                return if until == heartbeat { Scope::Complete } else { Scope::Changes };
            }
            tokio::select! {
                biased;
                () = sleep_until(heartbeat) => return Scope::Complete,
                () = self.settings.changed.woken() => {}
            }
        }
    }

    fn is_behind(&self) -> bool {
        self.told.values().any(|told| told.tried != Some(told.source.store.revision()))
    }

    /// Takes over a new selection: what is no longer in it leaves.
    fn select(&mut self, selected: &[Selected]) {
        let mut before = std::mem::take(&mut self.told);
        for Selected { source, sets } in selected {
            let mut told =
                Told { source: Arc::clone(source), sets: sets.clone(), acknowledged: None, tried: None };
            if let Some(known) = before.remove(&source.module) {
                let same_source = Arc::ptr_eq(&known.source, source);
                let dropped: BTreeSet<Set> =
                    known.sets.iter().filter(|set| !same_source || !sets.contains(set)).copied().collect();
                if same_source && sets.is_subset(&known.sets) {
                    told.acknowledged = known.acknowledged;
                }
                if !dropped.is_empty() {
                    self.leaving.push(Told { sets: dropped, ..known });
                }
            }
            self.told.insert(source.module.clone(), told);
        }
        self.leaving.extend(before.into_values());
    }

    /// The link that there is, if it is one to this output, else a new one.
    fn link(&mut self, output: &OtlpOutput) -> Option<Link> {
        if let Some(link) = self.link.take().filter(|link| link.output == *output) {
            return Some(link);
        }
        match Link::new(output) {
            Ok(link) => Some(link),
            Err(error) => {
                self.report(|health| {
                    health.failed(format!("the connection cannot be set up: {error}"), clock::now());
                });
                None
            }
        }
    }

    /// Tells the backend what it was not told, or everything.
    async fn pass(&mut self, link: &mut Link, scope: Scope) -> Sent {
        let left = self.leave(link).await;
        let told = self.gather(scope);
        let at_ms = (scope == Scope::Complete).then(clock::now_ms);
        let sent = self.tell(link, told, at_ms).await.max(left);
        if sent != Sent::Lost {
            for told in self.told.values_mut() {
                told.acknowledged = told.tried;
            }
            if scope == Scope::Complete && sent != Sent::Nothing {
                self.report(Health::completed);
            }
        }
        if sent == Sent::Late {
            info!(pipeline = self.settings.pipeline, endpoint = %link.output.endpoint, "The backend answers again");
        }
        sent
    }

    /// Ends at the backend what is no longer selected.
    async fn leave(&mut self, link: &mut Link) -> Sent {
        if self.leaving.is_empty() {
            return Sent::Nothing;
        }
        let now_ms = clock::now_ms();
        let ended: Vec<_> = self.leaving.iter().map(|told| ended(told, now_ms)).collect();
        let sent = self.tell(link, ended, Some(now_ms)).await;
        if sent != Sent::Lost {
            self.leaving.clear();
        }
        sent
    }

    fn gather(&mut self, scope: Scope) -> Vec<(BTreeSet<Set>, Changes)> {
        let gather = |told: &mut Told| {
            let changes = match (scope, told.acknowledged) {
                (Scope::Changes, Some(revision)) => told.source.store.changes(revision),
                (_, revision) => told.source.store.complete(revision.unwrap_or_default()),
            };
            told.tried = Some(changes.revision);
            (told.sets.clone(), changes)
        };
        self.told.values_mut().map(gather).collect()
    }

    /// Sends requests one after the other.
    async fn tell(
        &mut self,
        link: &mut Link,
        told: Vec<(BTreeSet<Set>, Changes)>,
        at_ms: Option<u64>,
    ) -> Sent {
        let stamp = Stamp { at_ms, floor_ms: self.floor_ms };
        let mut sent = Sent::Nothing;
        for request in Requests::new(told, stamp) {
            self.floor_ms = self.floor_ms.max(request.newest_ms);
            self.settings.term.stamp(self.floor_ms);
            if at_ms.is_none() {
                self.measure(&request);
            }
            sent = sent.max(self.deliver(link, &request).await);
        }
        sent
    }

    fn measure(&self, request: &Request) {
        if let Some(changed_ms) = request.changed_ms {
            let delay = Duration::from_millis(clock::now_ms().saturating_sub(changed_ms));
            self.settings.telemetry.delay(&self.settings.pipeline, delay);
        }
    }

    /// Sends one request, again and again with the same bytes while it may still work.
    async fn deliver(&self, link: &mut Link, request: &Request) -> Sent {
        let begun = Instant::now();
        let mut sent = Sent::Whole;
        loop {
            match self.attempt(link, request).await {
                Outcome::Accepted => {
                    self.count(PointsOutcome::Accepted, request.points);
                    link.succeeded();
                    self.report(Health::accepted);
                    return sent;
                }
                Outcome::Partial { rejected, message } => {
                    return self.partly(link, request, rejected, message);
                }
                Outcome::Refused { error } => return self.lost(request, &error),
                Outcome::Failed { error, .. } if begun.elapsed() >= GIVE_UP => {
                    return self.lost(request, &error);
                }
                Outcome::Failed { error, after } => {
                    self.failed(&error);
                    sent = Sent::Late;
                    link.renew();
                    sleep(link.pause().max(after.unwrap_or_default())).await;
                }
            }
        }
    }

    /// One attempt, as long as this replica may speak.
    async fn attempt(&self, link: &Link, request: &Request) -> Outcome {
        let left = loop {
            match self.settings.term.time_left() {
                Some(left) => break left,
                None => self.settings.term.may_speak().await,
            }
        };
        let within = left.min(ANSWER);
        match timeout(within, link.transport.send(request.body.clone())).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::failed(format!("no answer within {} s", ANSWER.as_secs())),
        }
    }

    fn partly(&self, link: &mut Link, request: &Request, rejected: u64, message: String) -> Sent {
        link.succeeded();
        let rejected = usize::try_from(rejected).unwrap_or(usize::MAX).min(request.points);
        self.count(PointsOutcome::Dropped, rejected);
        self.count(PointsOutcome::Accepted, request.points - rejected);
        let message = if message.is_empty() { format!("{rejected} points") } else { message };
        warn!(pipeline = self.settings.pipeline, rejected, message, "The backend refused some points");
        self.report(|health| health.partial(message));
        Sent::Lost
    }

    fn lost(&self, request: &Request, error: &str) -> Sent {
        self.count(PointsOutcome::Dropped, request.points);
        let mut news = false;
        self.report(|health| {
            let before = health.clone();
            health.refused(error.to_owned());
            news = *health != before;
        });
        if news {
            warn!(
                pipeline = self.settings.pipeline,
                error, "The backend refuses a request, which is dropped"
            );
        }
        Sent::Lost
    }

    fn failed(&self, error: &str) {
        let mut news = false;
        self.report(|health| {
            let before = health.clone();
            health.failed(error.to_owned(), clock::now());
            news = *health != before;
        });
        if news {
            warn!(pipeline = self.settings.pipeline, error, "The backend cannot be reached; trying again");
        }
    }

    fn count(&self, outcome: PointsOutcome, points: usize) {
        if points > 0 {
            self.settings.telemetry.points(&self.settings.pipeline, outcome, points);
        }
    }

    fn report(&self, step: impl FnOnce(&mut Health)) {
        let news = self.health.send_if_modified(|health| {
            let before = health.clone();
            step(health);
            *health != before
        });
        if news {
            self.settings.health_changed.wake();
        }
    }

    /// Ends every series at the backend.
    async fn end(mut self) {
        let Some(mut link) = self.link.take() else { return };
        self.leaving.extend(std::mem::take(&mut self.told).into_values());
        match timeout(ENDING, self.leave(&mut link)).await {
            Ok(Sent::Nothing | Sent::Whole | Sent::Late) => {
                info!(pipeline = self.settings.pipeline, "Series ended at the backend");
            }
            Ok(Sent::Lost) | Err(_) => warn!(
                pipeline = self.settings.pipeline,
                "Series could not be ended at the backend; they stay there for its lookback"
            ),
        }
    }

    /// Sends what changed since the last request.
    async fn drain(mut self) {
        let Some(mut link) = self.link.take() else { return };
        let is_pending = |told: &Told| told.acknowledged != Some(told.source.store.revision());
        if !self.told.values().any(is_pending) {
            return;
        }
        if timeout(DRAINING, self.pass(&mut link, Scope::Changes)).await.is_err() {
            warn!(
                pipeline = self.settings.pipeline,
                "What changed last could not be sent before the shutdown"
            );
        }
    }
}

/// Everything that a backend was told of a source, as ended.
fn ended(told: &Told, now_ms: u64) -> (BTreeSet<Set>, Changes) {
    let changes = told.source.store.complete(told.acknowledged.unwrap_or_default());
    (told.sets.clone(), changes.into_ended(now_ms))
}

/// A connection to an output, and how long to wait before it is tried again.
struct Link {
    output: OtlpOutput,
    transport: Transport,
    backoff: ExponentialBackoff,
}

impl Link {
    fn new(output: &OtlpOutput) -> Result<Self, rustls::Error> {
        Ok(Self { output: output.clone(), transport: Transport::new(output)?, backoff: backoff() })
    }

    /// Connects anew: a connection on which nothing comes back may never break by itself.
    fn renew(&mut self) {
        if let Ok(transport) = Transport::new(&self.output) {
            self.transport = transport;
        }
    }

    fn succeeded(&mut self) {
        self.backoff = backoff();
    }

    fn pause(&mut self) -> Duration {
        self.backoff.next().unwrap_or(Duration::from_secs(5))
    }
}

fn backoff() -> ExponentialBackoff {
    let builder = ExponentialBuilder::default().with_min_delay(Duration::from_millis(500));
    builder.with_max_delay(Duration::from_secs(5)).with_factor(2.0).with_jitter().without_max_times().build()
}
