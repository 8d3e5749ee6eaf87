//! One pipeline's exporter: a loop that waits, gathers what its backend was not told yet, and sends it.
//!
//! One request is under way at a time, and nothing newer is tried while it is. A change of plans waits for the answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use super::health::Health;
use super::link::Link;
use super::outcome::Outcome;
use super::plan::{Claims, Plan, Sending};
use super::request::{Request, Requests, Stamp};
use super::told::{Scope, Telling, Told};
use crate::clock;
use crate::telemetry::{PointsOutcome, Telemetry};
use crate::term::Term;
use crate::wake::{Wake, Woken};

/// Changes that come closer together than this leave together.
const GATHER: Duration = Duration::from_millis(200);
/// What could not be delivered for so long is given up; a complete export follows.
const GIVE_UP: Duration = Duration::from_mins(30);
/// A link that cannot be made is tried again so soon.
const AGAIN: Duration = Duration::from_secs(5);
/// How long ending series at a backend may take. What is not ended by then stays for the backend's lookback.
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

/// How a request, or some, went; the worse the later.
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
    /// The plan changed first.
    Interrupted,
}

/// Sends the series of one pipeline to one backend.
pub(crate) struct Exporter {
    settings: Settings,
    plan: watch::Receiver<Plan>,
    health: watch::Sender<Health>,
    told: Told,
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
        Self { settings, plan, health, told: Told::default(), link: None, floor_ms: 0 }
    }

    /// Works as the plan says, until the plan says stop.
    pub(crate) async fn run(mut self) {
        // Without anybody to change the plan there is none.
        while self.plan.has_changed().is_ok() {
            // Others may have stamped the series that are this exporter's from now on.
            self.floor_ms = self.floor_ms.max(self.settings.term.stamped_ms());
            let plan = self.plan.borrow_and_update().clone();
            match plan {
                Plan::Send(sending) => self.send(&sending).await,
                Plan::Hold { revoked } => self.hold(revoked).await,
                Plan::End(others) => return self.end(&others).await,
                Plan::Drain => return self.drain().await,
            }
        }
    }

    /// Sends until the plan changes: everything at first, then each change, and everything again at each heartbeat.
    async fn send(&mut self, sending: &Sending) {
        self.told.select(&sending.selected);
        if let Some(mut link) = self.link_to(sending) {
            self.leave(&mut link, &sending.others).await;
            self.work(&mut link).await;
            self.link = Some(link);
        } else {
            let _ = timeout(AGAIN, changed(self.plan.clone())).await;
        }
    }

    async fn hold(&mut self, revoked: bool) {
        if revoked {
            self.link = None;
        }
        self.report(Health::held);
        changed(self.plan.clone()).await;
    }

    async fn work(&mut self, link: &mut Link) {
        let mut scope = Scope::Complete;
        let mut heartbeat = Instant::now();
        while !self.is_interrupted() {
            let started = Instant::now();
            if scope == Scope::Complete {
                heartbeat = started + self.settings.heartbeat;
            }
            scope = match self.pass(link, scope).await {
                Sent::Interrupted => return,
                Sent::Late if scope == Scope::Changes => Scope::Complete,
                Sent::Nothing | Sent::Whole | Sent::Late | Sent::Lost => {
                    self.wait((started + GATHER).max(link.not_before()), heartbeat).await
                }
            };
        }
    }

    /// Waits until there is something to tell, and it may be told, or the plan changes.
    async fn wait(&mut self, not_before: Instant, heartbeat: Instant) -> Scope {
        let plan_changed = changed(self.plan.clone());
        let mut plan_changed = std::pin::pin!(plan_changed);
        loop {
            let behind = self.told.is_behind();
            let at = if behind { not_before.min(heartbeat) } else { heartbeat };
            tokio::select! {
                biased;
                () = &mut plan_changed => return Scope::Changes,
                () = sleep_until(at) => return if at == heartbeat { Scope::Complete } else { Scope::Changes },
                () = self.settings.changed.woken(), if !behind => {}
            }
        }
    }

    /// The link that there is, if it leads there, else a new one.
    fn link_to(&mut self, sending: &Sending) -> Option<Link> {
        if let Some(link) = self.link.take().filter(|link| link.leads_to(&sending.output)) {
            return Some(link);
        }
        match Link::new(&sending.output) {
            Ok(link) => Some(link),
            Err(error) => {
                let error = format!("the connection cannot be set up: {error}");
                self.report(|health| health.failed(error, clock::now()));
                None
            }
        }
    }

    /// Tells the backend what it was not told, or everything.
    async fn pass(&mut self, link: &mut Link, scope: Scope) -> Sent {
        let at_ms = (scope == Scope::Complete).then(clock::now_ms);
        let told = self.told.gather(scope);
        self.report(Health::begin);
        let sent = self.tell(link, told, at_ms).await;
        match (sent, scope) {
            (Sent::Interrupted, _) => self.told.rewind(),
            (Sent::Lost, _) => {}
            (_, Scope::Changes) => self.told.acknowledge(),
            (sent, Scope::Complete) => {
                self.told.acknowledge();
                self.report(if sent == Sent::Nothing { Health::nothing_to_send } else { Health::completed });
            }
        }
        if sent == Sent::Late {
            info!(pipeline = self.settings.pipeline, "The backend answers again");
        }
        sent
    }

    /// Ends at the backend what is no longer selected.
    async fn leave(&mut self, link: &mut Link, others: &Claims) {
        let now_ms = clock::now_ms();
        let ended = self.told.leaving(others, now_ms);
        let sent = timeout(ENDING, self.tell(link, ended, Some(now_ms))).await;
        match sent {
            // The next plan has it told.
            Ok(Sent::Interrupted) => return,
            Ok(Sent::Nothing) => {}
            Ok(Sent::Whole | Sent::Late) => {
                info!(pipeline = self.settings.pipeline, "Series ended at the backend");
            }
            Ok(Sent::Lost) | Err(_) => warn!(
                pipeline = self.settings.pipeline,
                "Series could not be ended at the backend; they stay there for its lookback"
            ),
        }
        self.told.left();
    }

    /// Sends requests one after the other.
    async fn tell(&mut self, link: &mut Link, told: Vec<Telling>, at_ms: Option<u64>) -> Sent {
        let stamp = Stamp { at_ms, floor_ms: self.floor_ms };
        let give_up = Instant::now() + GIVE_UP;
        let mut sent = Sent::Nothing;
        for request in Requests::new(told, stamp) {
            if self.is_interrupted() {
                return Sent::Interrupted;
            }
            self.floor_ms = self.floor_ms.max(request.newest_ms);
            self.settings.term.stamp(self.floor_ms);
            if at_ms.is_none() {
                self.measure(&request);
            }
            sent = sent.max(self.deliver(link, &request, give_up).await);
            if sent == Sent::Lost && Instant::now() >= give_up {
                // What follows is as old; a complete export is overdue.
                break;
            }
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
    async fn deliver(&self, link: &mut Link, request: &Request, give_up: Instant) -> Sent {
        let mut sent = Sent::Whole;
        loop {
            let Some(left) = self.may_send(link).await else { return Sent::Interrupted };
            match link.send(request.body.clone(), left).await {
                Outcome::Accepted => {
                    self.count(PointsOutcome::Accepted, request.points);
                    self.report(Health::accepted);
                    return sent;
                }
                Outcome::Partial { rejected, message } => return self.partly(request, rejected, message),
                Outcome::Refused { error } => return self.lost(request, &error),
                Outcome::Retry { error, .. } | Outcome::Unanswered { error } => {
                    if Instant::now() >= give_up {
                        return self.lost(request, &error);
                    }
                    self.failed(&error);
                    sent = Sent::Late;
                }
            }
        }
    }

    /// Waits until the backend may be asked and this replica may speak, and tells for how long; `None` if the plan changes
    /// first.
    async fn may_send(&self, link: &Link) -> Option<Duration> {
        let plan_changed = changed(self.plan.clone());
        let mut plan_changed = std::pin::pin!(plan_changed);
        loop {
            let (paused, left) = (link.not_before() > Instant::now(), self.settings.term.time_left());
            match left {
                Some(left) if !paused => return Some(left),
                _ => tokio::select! {
                    biased;
                    () = &mut plan_changed => return None,
                    () = sleep_until(link.not_before()), if paused => {}
                    () = self.settings.term.may_speak(), if !paused => {}
                },
            }
        }
    }

    fn is_interrupted(&self) -> bool {
        // Where nobody can change the plan any more, the exporter is about to be dropped.
        self.plan.has_changed().unwrap_or(true)
    }

    fn partly(&self, request: &Request, rejected: u64, message: String) -> Sent {
        let rejected = usize::try_from(rejected).unwrap_or(usize::MAX).min(request.points);
        self.count(PointsOutcome::Dropped, rejected);
        self.count(PointsOutcome::Accepted, request.points - rejected);
        let message = if message.is_empty() { "some points were rejected".to_owned() } else { message };
        if self.report(|health| health.partial(message.clone())) {
            warn!(pipeline = self.settings.pipeline, rejected, message, "The backend refuses some points");
        }
        Sent::Lost
    }

    fn lost(&self, request: &Request, error: &str) -> Sent {
        self.count(PointsOutcome::Dropped, request.points);
        if self.report(|health| health.refused(error.to_owned())) {
            warn!(
                pipeline = self.settings.pipeline,
                error, "The backend refuses a request, which is dropped"
            );
        }
        Sent::Lost
    }

    fn failed(&self, error: &str) {
        if self.report(|health| health.failed(error.to_owned(), clock::now())) {
            warn!(pipeline = self.settings.pipeline, error, "The backend cannot be reached; trying again");
        }
    }

    fn count(&self, outcome: PointsOutcome, points: usize) {
        if points > 0 {
            self.settings.telemetry.points(&self.settings.pipeline, outcome, points);
        }
    }

    /// Takes a step of the health; tells whether that is news.
    fn report(&self, step: impl FnOnce(&mut Health)) -> bool {
        let news = self.health.send_if_modified(|health| {
            let before = health.clone();
            step(health);
            !health.says_the_same_as(&before)
        });
        if news {
            self.settings.health_changed.wake();
        }
        news
    }

    /// Ends every series at the backend.
    async fn end(mut self, others: &Claims) {
        let Some(mut link) = self.link.take() else { return };
        self.told.leave_all();
        self.leave(&mut link, others).await;
    }

    /// Sends what changed since the last request.
    async fn drain(mut self) {
        let Some(mut link) = self.link.take().filter(|_| self.told.is_pending()) else { return };
        if timeout(DRAINING, self.pass(&mut link, Scope::Changes)).await.is_err() {
            warn!(
                pipeline = self.settings.pipeline,
                "What changed last could not be sent before the shutdown"
            );
        }
    }
}

/// Waits until the plan changes, or nobody is left to change it.
async fn changed(mut plan: watch::Receiver<Plan>) {
    let _ = plan.changed().await;
}
