//! One resource of the catalog: its series, and how its watch goes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use status_metrics::Store;
use tokio::time::Instant;

use crate::catalog::Module;
use crate::follow::Failure;
use crate::refusal::Refusal;
use crate::said::Said;

/// For so long a watch may fail before it is said; a connection that breaks is usually back at once.
const GRACE: Duration = Duration::from_secs(3);

/// For so long what was read under a right that is gone is still shown.
pub(crate) const FORBIDDEN_AFTER: Duration = Duration::from_mins(5);

/// A resource that is watched. What it holds outlives the watch, for those who still have to end its series.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) module: Module,
    pub(crate) store: Store,
    state: Mutex<(WatchState, Instant)>,
}

/// How a watch goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WatchState {
    /// Nothing is known yet.
    Pending,
    /// Listed, and watched.
    Synced,
    /// The API server refuses.
    Forbidden {
        /// `list` or `watch`.
        verb: &'static str,
    },
    /// The API server does not serve the resource.
    NotInstalled,
    /// It fails otherwise, and is tried again.
    Failed {
        /// What was said.
        error: Said,
    },
}

impl Source {
    pub(crate) fn new(module: Module) -> Self {
        Self { module, store: Store::new(), state: Mutex::new((WatchState::Pending, Instant::now())) }
    }

    /// It is watched again: the series that it has stay until the new list is there.
    pub(crate) fn begin_again(&self) {
        *self.lock() = (WatchState::Pending, Instant::now());
    }

    /// How the watch goes now.
    pub(crate) fn state(&self) -> WatchState {
        self.lock().0.clone()
    }

    /// Whether it was begun just now, so that it is too early to say that it is not listed.
    pub(crate) fn is_young(&self) -> bool {
        self.lock().1.elapsed() < GRACE
    }

    /// Sets how the watch goes; tells whether that is news.
    pub(crate) fn set_state(&self, state: &WatchState) -> bool {
        let known = &mut self.lock().0;
        let news = known != state;
        known.clone_from(state);
        news
    }

    fn lock(&self) -> MutexGuard<'_, (WatchState, Instant)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Judges the failures of one watch.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    failing_since: Option<Instant>,
    forbidden_since: Option<Instant>,
}

/// What follows from a failure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is said yet.
    Wait,
    /// This is said; the series stay.
    Say(WatchState),
    /// This is said, and all series end.
    End(WatchState),
}

impl Judge {
    /// The watch works.
    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The watch failed at `now`; `known` is how it went before.
    pub(crate) fn failed(&mut self, failure: &Failure, known: &WatchState, now: Instant) -> Verdict {
        let failing_since = *self.failing_since.get_or_insert(now);
        match &failure.refusal {
            Refusal::Forbidden(_) => {
                let since = *self.forbidden_since.get_or_insert(now);
                let state = WatchState::Forbidden { verb: failure.verb };
                if now - since >= FORBIDDEN_AFTER { Verdict::End(state) } else { Verdict::Say(state) }
            }
            Refusal::NotFound(_) => Verdict::End(WatchState::NotInstalled),
            refusal => {
                self.forbidden_since = None;
                if *known == WatchState::Synced && now - failing_since < GRACE {
                    return Verdict::Wait;
                }
                Verdict::Say(WatchState::Failed { error: Said::new(refusal.to_string()) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(refusal: Refusal) -> Failure {
        Failure { verb: "list", refusal }
    }

    #[test]
    fn a_broken_connection_is_said_only_when_it_lasts() {
        let (mut judge, now) = (Judge::default(), Instant::now());
        let broken = failure(Refusal::Unanswered("reset".to_owned()));
        assert_eq!(judge.failed(&broken, &WatchState::Synced, now), Verdict::Wait);
        let said = Verdict::Say(WatchState::Failed { error: Said::new("reset") });
        assert_eq!(judge.failed(&broken, &WatchState::Synced, now + GRACE), said);
        judge.succeeded();
        assert_eq!(judge.failed(&broken, &WatchState::Synced, now + 2 * GRACE), Verdict::Wait);
        assert_eq!(judge.failed(&broken, &WatchState::Pending, now + 2 * GRACE), said);
    }

    #[test]
    fn a_withdrawn_right_ends_the_series_after_five_minutes_and_a_removed_kind_at_once() {
        let (mut judge, now) = (Judge::default(), Instant::now());
        let forbidden = failure(Refusal::Forbidden("no".to_owned()));
        let state = WatchState::Forbidden { verb: "list" };
        assert_eq!(judge.failed(&forbidden, &WatchState::Synced, now), Verdict::Say(state.clone()));
        assert_eq!(judge.failed(&forbidden, &state, now + FORBIDDEN_AFTER), Verdict::End(state));
        let missing = failure(Refusal::NotFound("gone".to_owned()));
        assert_eq!(judge.failed(&missing, &WatchState::Synced, now), Verdict::End(WatchState::NotInstalled));
    }
}
