//! Faults on demand.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use crate::{failure::Failure, path::Attributes, selection::Selection};

/// Who is forbidden something, unless a fault says otherwise.
const USER: &str = "system:serviceaccount:kyma-system:status-manager";

/// One fault: which requests it meets, what happens to them, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    selection: Selection,
    effect: Effect,
    remaining: Option<usize>,
}

/// What happens to a request that a fault meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    Forbidden { user: String },
    Status(u16),
    Gone,
    Delay(Duration),
    Hang,
    Disconnect,
}

impl Fault {
    fn new(selection: Selection, effect: Effect) -> Self {
        Self { selection, effect, remaining: None }
    }

    /// 403 with the message of the real API server for the manager's service account.
    pub fn forbidden(selection: Selection) -> Self {
        Self::forbidden_for(selection, USER)
    }

    /// 403 with the message of the real API server for a user.
    pub fn forbidden_for(selection: Selection, user: &str) -> Self {
        Self::new(selection, Effect::Forbidden { user: user.to_owned() })
    }

    /// An answer with this status code, such as 500 or 503.
    pub fn status(selection: Selection, code: u16) -> Self {
        Self::new(selection, Effect::Status(code))
    }

    /// 410: a list is refused, a watch begins with an `ERROR` event and ends.
    pub fn gone(selection: Selection) -> Self {
        Self::new(selection, Effect::Gone)
    }

    /// The answer comes later, on tokio's clock.
    pub fn delay(selection: Selection, by: Duration) -> Self {
        Self::new(selection, Effect::Delay(by))
    }

    /// There is no answer until the fault is lifted.
    pub fn hang(selection: Selection) -> Self {
        Self::new(selection, Effect::Hang)
    }

    /// The connection ends without an answer.
    pub fn disconnect(selection: Selection) -> Self {
        Self::new(selection, Effect::Disconnect)
    }

    /// Only so many requests are met; the default is every one until the fault is lifted.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.remaining = Some(times);
        self
    }
}

/// A fault that was added, to lift it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultId(u64);

/// The faults of an API; clones are handles to the same ones.
#[derive(Debug, Clone)]
pub struct Faults {
    active: Arc<Mutex<Active>>,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Active {
    last: u64,
    faults: Vec<(FaultId, Fault)>,
}

impl Faults {
    pub(crate) fn new() -> Self {
        Self { active: Arc::default(), changes: watch::Sender::new(()) }
    }

    /// Adds a fault for the requests to come; watches that are open go on.
    pub fn add(&self, fault: Fault) -> FaultId {
        let mut active = self.lock();
        active.last += 1;
        let id = FaultId(active.last);
        active.faults.push((id, fault));
        id
    }

    /// Lifts a fault; what hangs because of it is answered now.
    pub fn lift(&self, id: FaultId) {
        self.lock().faults.retain(|(other, _)| *other != id);
        self.changes.send_replace(());
    }

    /// Lifts all faults.
    pub fn clear(&self) {
        self.lock().faults.clear();
        self.changes.send_replace(());
    }

    /// Waits and fails as the faults say; returns where the request is to be answered as ever.
    pub(crate) async fn meet(&self, request: &Attributes) -> Result<(), Met> {
        for (id, effect) in self.take(request) {
            match effect {
                Effect::Delay(by) => tokio::time::sleep(by).await,
                Effect::Hang => self.lifted(id).await,
                Effect::Disconnect => return Err(Met::Disconnect),
                Effect::Gone if request.verb == "watch" => return Err(Met::GoneWatch),
                Effect::Gone => return Err(Met::Refusal(Failure::expired(0, 0))),
                Effect::Status(code) => return Err(Met::Refusal(Failure::of_code(code))),
                Effect::Forbidden { user } => return Err(Met::Refusal(forbidden(request, &user))),
            }
        }
        Ok(())
    }

    /// The effects on a request, in the order in which the faults were added; counts it.
    fn take(&self, request: &Attributes) -> Vec<(FaultId, Effect)> {
        let mut met = Vec::new();
        let mut active = self.lock();
        for (id, fault) in &mut active.faults {
            if fault.remaining == Some(0) || !fault.selection.matches(request) {
                continue;
            }
            fault.remaining = fault.remaining.map(|times| times - 1);
            met.push((*id, fault.effect.clone()));
            if !matches!(fault.effect, Effect::Delay(_) | Effect::Hang) {
                break;
            }
        }
        met
    }

    async fn lifted(&self, id: FaultId) {
        let mut changes = self.changes.subscribe();
        while self.lock().faults.iter().any(|(other, _)| *other == id) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Active> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a fault makes of a request.
#[derive(Debug)]
pub(crate) enum Met {
    Refusal(Failure),
    GoneWatch,
    Disconnect,
}

/// As `forbiddenMessage` of the real API server words it.
fn forbidden(request: &Attributes, user: &str) -> Failure {
    let Attributes { verb, group, resource, subresource, namespace, name, .. } = request;
    let resource = match subresource.as_str() {
        "" => resource.clone(),
        part => format!("{resource}/{part}"),
    };
    let scope = match namespace.as_str() {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace {namespace:?}"),
    };
    let why = format!("User {user:?} cannot {verb} resource {resource:?} in API group {group:?} {scope}");
    Failure::forbidden(&request.id(), name, &why)
}
