//! Leader election by a Lease: one voice among the replicas.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::clock;
use crate::gates::Gates;
use crate::lease::{self, DURATION, Decision, MARGIN, decide};
use crate::refusal::{Refusal, answer};
use crate::telemetry::Telemetry;
use crate::term::Term;
use crate::wake::Wake;

/// So often the Lease is renewed, or looked at.
const PERIOD: Duration = Duration::from_secs(2);
/// An answer that takes longer is no answer.
const ANSWER: Duration = Duration::from_secs(4);

const GATE: &str = "lease";

/// The term of this replica, if it leads.
pub(crate) type Terms = watch::Receiver<Option<Term>>;

/// Who wants to lead, and by which Lease.
pub(crate) struct Candidate {
    pub(crate) leases: Api<Lease>,
    /// The name of the Lease.
    pub(crate) name: String,
    /// The name of this replica, which no other has.
    pub(crate) me: String,
}

/// Takes part in the election.
pub(crate) struct Leader {
    candidate: Candidate,
    terms: watch::Sender<Option<Term>>,
    changed: Wake,
    gates: Arc<Gates>,
    telemetry: Arc<Telemetry>,
    seen: Seen,
    following: Option<String>,
    /// What the holders before could have stamped, in the term that is about to begin.
    floor_ms: u64,
}

/// The Lease as it was last read.
#[derive(Default)]
struct Seen {
    lease: Option<Lease>,
    since: Option<Instant>,
}

impl Seen {
    fn read(&mut self, lease: Lease) {
        let spec = |lease: &Lease| lease.spec.clone();
        let same = self.lease.as_ref().is_some_and(|known| spec(known) == spec(&lease));
        if !same {
            self.since = Some(Instant::now());
        }
        self.lease = Some(lease);
    }

    fn unchanged_for(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// How long a holder that is silent still has the Lease; the whole period once it is over.
    fn until_free(&self) -> Duration {
        let rest = DURATION.saturating_sub(self.unchanged_for());
        if rest.is_zero() { PERIOD } else { rest }
    }
}

impl Leader {
    /// `changed` is woken when a term begins or ends.
    pub(crate) fn new(
        candidate: Candidate,
        changed: Wake,
        gates: Arc<Gates>,
        telemetry: Arc<Telemetry>,
    ) -> (Self, Terms) {
        gates.close(GATE, "the API server has not answered about the Lease yet");
        let (terms, receiver) = watch::channel(None);
        let leader = Self {
            candidate,
            terms,
            changed,
            gates,
            telemetry,
            seen: Seen::default(),
            following: None,
            floor_ms: 0,
        };
        (leader, receiver)
    }

    /// Takes part until `stop`, then gives the Lease up if this replica has it.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            // Not to be interrupted: a write that is under way would be unknown to the release.
            self.round().await;
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = sleep(self.seen.until_free().min(PERIOD)) => {}
            }
        }
        self.release().await;
    }

    async fn round(&mut self) {
        let mut result = self.campaign().await;
        if matches!(result, Err(Refusal::Conflict(_))) {
            // Somebody else was faster: what is there now decides.
            self.seen.lease = None;
            result = self.campaign().await;
        } else if matches!(result, Err(Refusal::NotFound(_))) {
            result = self.create().await;
        }
        match &result {
            Ok(()) => self.gates.open(GATE),
            Err(refusal @ Refusal::Forbidden(_)) => {
                self.gates
                    .note(GATE, format!("nothing is sent, because the Lease may not be used: {refusal}"));
            }
            Err(refusal) => self.gates.close(GATE, format!("the Lease cannot be read or renewed: {refusal}")),
        }
    }

    async fn campaign(&mut self) -> Result<(), Refusal> {
        // A leader knows its Lease; a conflict shows that it does not.
        if self.terms.borrow().is_none() || self.seen.lease.is_none() {
            match answer(self.candidate.leases.get_opt(&self.candidate.name), ANSWER).await? {
                Some(lease) => self.seen.read(lease),
                None => return self.create().await,
            }
        }
        let spec = self.seen.lease.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default();
        match decide(&self.candidate.me, &spec, self.seen.unchanged_for()) {
            Decision::Wait => {
                let holder = spec.holder_identity.as_deref().unwrap_or("nobody");
                self.end_term(holder);
                self.follow(holder);
                Ok(())
            }
            Decision::Renew => self.write(&spec).await,
            Decision::Take { floor_ms } => {
                // Others may have spoken since: what this replica had still to say belongs to a term that is over.
                self.end_term("nobody");
                self.floor_ms = self.floor_ms.max(floor_ms);
                self.write(&spec).await
            }
        }
    }

    /// A Lease that was there and is gone may have a holder who has not noticed.
    async fn create(&mut self) -> Result<(), Refusal> {
        if let Some(gone) = self.seen.lease.as_ref().and_then(|lease| lease.spec.as_ref()) {
            let ours = gone.holder_identity.as_deref() == Some(self.candidate.me.as_str());
            if !ours && self.seen.unchanged_for() < DURATION {
                return Ok(());
            }
            self.floor_ms = self.floor_ms.max(lease::spoken_for_ms(gone));
        }
        let (before, now_ms) = (Instant::now(), clock::now_ms());
        let lease = Lease {
            metadata: ObjectMeta { name: Some(self.candidate.name.clone()), ..ObjectMeta::default() },
            spec: Some(lease::held(&LeaseSpec::default(), &self.candidate.me, now_ms)),
        };
        let created = answer(self.candidate.leases.create(&PostParams::default(), &lease), ANSWER).await;
        self.written(created, before)
    }

    /// Up to which time points are, or could have been, stamped.
    fn stamped_ms(&self) -> u64 {
        self.terms.borrow().as_ref().map_or(self.floor_ms, |term| term.stamped_ms().max(self.floor_ms))
    }

    async fn write(&mut self, spec: &LeaseSpec) -> Result<(), Refusal> {
        let Some(mut lease) = self.seen.lease.clone() else { return Ok(()) };
        let (before, now_ms) = (Instant::now(), clock::now_ms());
        lease.spec = Some(lease::held(spec, &self.candidate.me, now_ms.max(self.stamped_ms())));
        let replaced = answer(
            self.candidate.leases.replace(&self.candidate.name, &PostParams::default(), &lease),
            ANSWER,
        )
        .await;
        self.written(replaced, before)
    }

    fn written(&mut self, result: Result<Lease, Refusal>, before: Instant) -> Result<(), Refusal> {
        self.seen.read(result?);
        self.renewed(before + DURATION.saturating_sub(MARGIN));
        Ok(())
    }

    fn renewed(&mut self, until: Instant) {
        let current = self.terms.borrow().clone();
        if let Some(term) = current {
            return term.renewed(until);
        }
        info!(identity = self.candidate.me, "Leading");
        self.following = None;
        self.telemetry.leader(true);
        self.terms.send_replace(Some(Term::new(Some(until), self.floor_ms)));
        self.changed.wake();
    }

    fn end_term(&mut self, holder: &str) {
        if let Some(term) = self.terms.send_replace(None) {
            term.end();
            self.floor_ms = self.floor_ms.max(term.stamped_ms());
            warn!(holder, "Not leading any more");
            self.telemetry.leader(false);
            self.changed.wake();
        }
    }

    /// Says once whom it follows.
    fn follow(&mut self, holder: &str) {
        if self.following.as_deref() != Some(holder) {
            info!(holder, "Following: another replica leads");
            self.following = Some(holder.to_owned());
        }
    }

    async fn release(&mut self) {
        let stamped_ms = self.stamped_ms();
        let Some(term) = self.terms.send_replace(None) else { return };
        term.end();
        let mut result = self.give_up(stamped_ms).await;
        if let Err(Refusal::Conflict(_)) = result {
            // A renewal that was not answered was written all the same.
            self.seen.lease =
                answer(self.candidate.leases.get_opt(&self.candidate.name), ANSWER).await.ok().flatten();
            result = self.give_up(stamped_ms).await;
        }
        match result {
            Ok(()) => info!("Lease released"),
            Err(error) => warn!(%error, "Lease not released; the next leader waits for its end"),
        }
    }

    async fn give_up(&mut self, stamped_ms: u64) -> Result<(), Refusal> {
        let Some(mut lease) = self.seen.lease.take() else { return Ok(()) };
        let spec = lease.spec.unwrap_or_default();
        if spec.holder_identity.as_deref() != Some(self.candidate.me.as_str()) {
            return Ok(());
        }
        lease.spec = Some(lease::released(&spec, clock::now_ms(), stamped_ms));
        answer(self.candidate.leases.replace(&self.candidate.name, &PostParams::default(), &lease), ANSWER)
            .await
            .map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use kube::Client;
    use memory_api::{Fault, MemoryApi, Selection};
    use serde_json::json;
    use tokio::task::JoinHandle;
    use tokio_util::sync::CancellationToken;

    use super::*;

    struct Replica {
        terms: Terms,
        gates: Arc<Gates>,
        stop: CancellationToken,
        task: JoinHandle<()>,
    }

    impl Replica {
        fn start(api: &MemoryApi, name: &str) -> Self {
            let client = Client::new(api.service(), "kyma-system");
            let (gates, telemetry) = (Arc::new(Gates::default()), Arc::new(Telemetry::new(name)));
            let leases = Api::namespaced(client, "kyma-system");
            let candidate = Candidate { leases, name: "lease".to_owned(), me: name.to_owned() };
            let (leader, terms) = Leader::new(candidate, Wake::new(), Arc::clone(&gates), telemetry);
            let stop = CancellationToken::new();
            let task = tokio::spawn(leader.run(stop.clone().cancelled_owned()));
            Self { terms, gates, stop, task }
        }

        fn term(&self) -> Option<Term> {
            self.terms.borrow().clone()
        }

        fn may_speak(&self) -> bool {
            self.term().is_some_and(|term| term.time_left().is_some())
        }

        async fn leads(&mut self) -> Term {
            self.terms.wait_for(Option::is_some).await.unwrap().clone().unwrap()
        }
    }

    fn api() -> MemoryApi {
        let api = MemoryApi::new();
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kyma-system"}});
        api.create(namespace).unwrap();
        api
    }

    fn leases() -> Selection {
        Selection::resource("leases.coordination.k8s.io")
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_is_released_is_taken_within_three_seconds_and_later_than_the_last_stamp() {
        let api = api();
        let mut first = Replica::start(&api, "first");
        let ahead = clock::now_ms() + 5_000;
        first.leads().await.stamp(ahead);
        let mut second = Replica::start(&api, "second");
        sleep(Duration::from_secs(30)).await;
        assert!(first.may_speak() && second.term().is_none());

        let last = first.term().unwrap();
        let stopping = Instant::now();
        first.stop.cancel();
        first.task.await.unwrap();
        assert_eq!(last.time_left(), None, "the term outlived the Lease");
        let next = second.leads().await;
        assert!(stopping.elapsed() <= Duration::from_secs(3), "{:?}", stopping.elapsed());
        assert!(next.stamped_ms() > ahead);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_crash_nobody_speaks_until_the_lease_has_run_out() {
        let api = api();
        let mut first = Replica::start(&api, "first");
        let last = first.leads().await;
        let second = Replica::start(&api, "second");
        sleep(Duration::from_secs(9)).await;
        first.task.abort();
        let crashed = Instant::now();
        while !second.may_speak() {
            sleep(Duration::from_millis(10)).await;
            assert!(last.time_left().is_none() || !second.may_speak(), "two voices");
        }
        assert!(crashed.elapsed() >= Duration::from_secs(11), "{:?}", crashed.elapsed());
        assert!(crashed.elapsed() <= Duration::from_secs(18), "{:?}", crashed.elapsed());
        // The first could have stamped points up to ten seconds after its last renewal.
        assert!(second.term().unwrap().stamped_ms() > clock::now_ms());
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_answer_a_leader_falls_silent_before_its_lease_ends_and_goes_on_when_nobody_took_it() {
        let api = api();
        let mut only = Replica::start(&api, "only");
        let term = only.leads().await;
        let hanging = api.faults().add(Fault::hang(leases()));
        let since = Instant::now();
        while only.may_speak() {
            sleep(Duration::from_millis(10)).await;
        }
        assert!(since.elapsed() <= Duration::from_secs(10), "{:?}", since.elapsed());
        assert!(!only.gates.report().0, "a replica that waits for the API server is not ready");
        api.faults().lift(hanging);
        term.may_speak().await;
        assert!(only.term().unwrap().is(&term), "nobody spoke in between, so that the term goes on");
        sleep(PERIOD).await;
        assert!(only.gates.report().0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_another_took_ends_the_term_and_taking_it_again_begins_a_new_one() {
        let api = api();
        let mut first = Replica::start(&api, "first");
        let term = first.leads().await;
        let taken = json!({"spec": {"holderIdentity": "other", "renewTime": "2099-01-01T00:00:00.000000Z"}});
        api.patch("leases.coordination.k8s.io", "kyma-system", "lease", &taken).unwrap();
        first.terms.wait_for(Option::is_none).await.unwrap();
        assert_eq!(term.time_left(), None);
        let released = json!({"spec": {"holderIdentity": null}});
        api.patch("leases.coordination.k8s.io", "kyma-system", "lease", &released).unwrap();
        let again = first.leads().await;
        assert!(!again.is(&term));
        assert!(again.stamped_ms() > clock::now_ms(), "the other's clock was ahead");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_is_deleted_is_made_again_by_its_holder() {
        let api = api();
        let mut first = Replica::start(&api, "first");
        let term = first.leads().await;
        let second = Replica::start(&api, "second");
        sleep(PERIOD).await;
        api.delete("leases.coordination.k8s.io", "kyma-system", "lease").unwrap();
        sleep(3 * PERIOD).await;
        assert!(first.term().is_some_and(|now| now.is(&term)) && first.may_speak());
        assert!(second.term().is_none());
    }
}
