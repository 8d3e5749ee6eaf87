//! How the exports of one pipeline go.

use std::time::{Duration, SystemTime};

use pipeline_api::FlowHealth;

use crate::said::Said;

/// For so long exports may fail before it is said.
const GRACE: Duration = Duration::from_secs(5);

/// How the exports go: a state, and one step a result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// Whether anything was ever accepted.
    delivered: bool,
    /// Whether anything was accepted of what is being sent now.
    accepting: bool,
    /// What was lost since the last complete export that was accepted whole.
    lost: Option<Lost>,
    failing: Option<Failing>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Lost {
    all: bool,
    error: Said,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Failing {
    since: SystemTime,
    error: Said,
}

impl Health {
    /// Requests are about to be sent that belong together.
    pub(crate) fn begin(&mut self) {
        self.accepting = false;
    }

    /// A request was accepted whole.
    pub(crate) fn accepted(&mut self) {
        self.failing = None;
        self.delivered = true;
        self.accepting = true;
        if let Some(lost) = &mut self.lost {
            lost.all = false;
        }
    }

    /// Every request of a complete export was accepted whole.
    pub(crate) fn completed(&mut self) {
        *self = Self { delivered: true, ..Self::default() };
    }

    /// A part of a request was refused.
    pub(crate) fn partial(&mut self, message: String) {
        self.accepted();
        self.lose(message);
    }

    /// A request was refused.
    pub(crate) fn refused(&mut self, error: String) {
        self.failing = None;
        self.lose(error);
    }

    /// A request failed and is tried again.
    pub(crate) fn failed(&mut self, error: String, now: SystemTime) {
        let since = self.failing.as_ref().map_or(now, |failing| failing.since);
        let error = Said::after(self.failing.as_ref().map(|failing| &failing.error), error);
        self.failing = Some(Failing { since, error });
    }

    /// Nothing is sent for now, so that nothing fails.
    pub(crate) fn held(&mut self) {
        self.failing = None;
    }

    /// A complete export had nothing to send: nothing is missing at the backend any more.
    pub(crate) fn nothing_to_send(&mut self) {
        if self.delivered || self.lost.is_some() {
            self.completed();
        }
    }

    /// Once something was accepted, not all is lost until a complete export has succeeded.
    fn lose(&mut self, error: String) {
        let all = !self.accepting && self.lost.as_ref().is_none_or(|lost| lost.all);
        let error = Said::after(self.lost.as_ref().map(|lost| &lost.error), error);
        self.lost = Some(Lost { all, error });
    }

    /// Whether a status and a log line would say the same.
    pub(crate) fn says_the_same_as(&self, other: &Self) -> bool {
        (self.delivered, &self.lost, &self.failing) == (other.delivered, &other.lost, &other.failing)
    }

    /// What the status says, and when it will say something else if nothing happens.
    pub(crate) fn flow(&self, now: SystemTime) -> (FlowHealth, Option<SystemTime>) {
        match (&self.lost, &self.failing) {
            (Some(Lost { all, error }), _) => {
                let error = error.to_string();
                (
                    if *all { FlowHealth::AllDropped { error } } else { FlowHealth::SomeDropped { error } },
                    None,
                )
            }
            (None, Some(Failing { since, error })) if now >= *since + GRACE => {
                let (error, since) = (error.to_string(), *since);
                (FlowHealth::BackendUnavailable { error, since }, None)
            }
            (None, failing) => {
                let flow = if self.delivered { FlowHealth::Healthy } else { FlowHealth::NothingSentYet };
                (flow, failing.as_ref().map(|failing| failing.since + GRACE))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: SystemTime = SystemTime::UNIX_EPOCH;

    #[test]
    fn an_outage_is_said_after_five_seconds_and_until_something_is_accepted() {
        let mut health = Health::default();
        health.completed();
        health.failed("refused (try 1)".to_owned(), T);
        assert_eq!(health.flow(T), (FlowHealth::Healthy, Some(T + GRACE)));
        health.failed("refused (try 2)".to_owned(), T + Duration::from_secs(1));
        let error = "refused (try 1)".to_owned();
        assert_eq!(health.flow(T + GRACE), (FlowHealth::BackendUnavailable { error, since: T }, None));
        health.failed("timeout".to_owned(), T + GRACE);
        let error = "timeout".to_owned();
        assert_eq!(health.flow(T + GRACE).0, FlowHealth::BackendUnavailable { error, since: T });
        health.accepted();
        assert_eq!(health.flow(T + GRACE), (FlowHealth::Healthy, None));
    }

    #[test]
    fn what_was_lost_stays_said_until_a_complete_export_is_accepted_whole() {
        let mut health = Health::default();
        health.refused("quota 1".to_owned());
        assert_eq!(health.flow(T).0, FlowHealth::AllDropped { error: "quota 1".to_owned() });
        let said = health.clone();
        health.refused("quota 2".to_owned());
        assert!(health.says_the_same_as(&said), "a number makes no news");
        health.begin();
        health.partial("points are too old".to_owned());
        health.accepted();
        health.failed("away".to_owned(), T);
        let error = "points are too old".to_owned();
        assert_eq!(health.flow(T + GRACE).0, FlowHealth::SomeDropped { error });
        health.completed();
        assert_eq!(health.flow(T + GRACE), (FlowHealth::Healthy, None));
    }

    #[test]
    fn all_is_refused_only_if_nothing_of_one_pass_is_accepted() {
        let mut health = Health::default();
        health.begin();
        health.accepted();
        health.refused("too large".to_owned());
        assert_eq!(health.flow(T).0, FlowHealth::SomeDropped { error: "too large".to_owned() });
        health.begin();
        health.refused("too large".to_owned());
        assert_eq!(
            health.flow(T).0,
            FlowHealth::SomeDropped { error: "too large".to_owned() },
            "no flapping"
        );
        health.completed();
        health.begin();
        health.refused("too large".to_owned());
        assert_eq!(health.flow(T).0, FlowHealth::AllDropped { error: "too large".to_owned() });
    }
}
