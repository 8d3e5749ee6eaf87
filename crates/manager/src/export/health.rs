//! How the exports of one pipeline go.

use std::time::{Duration, SystemTime};

use pipeline_api::FlowHealth;

/// For so long exports may fail before it is said.
const GRACE: Duration = Duration::from_secs(5);

/// How the exports go: a state, and one step a result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// Whether anything was ever accepted.
    delivered: bool,
    /// What was lost since the last complete export that was accepted whole.
    lost: Option<Lost>,
    failing: Option<Failing>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Lost {
    All(String),
    Some(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Failing {
    since: SystemTime,
    error: String,
}

impl Health {
    /// A request was accepted whole.
    pub(crate) fn accepted(&mut self) {
        self.failing = None;
        self.delivered = true;
    }

    /// Every request of a complete export was accepted whole.
    pub(crate) fn completed(&mut self) {
        *self = Self { delivered: true, ..Self::default() };
    }

    /// A part of a request was refused.
    pub(crate) fn partial(&mut self, message: String) {
        self.failing = None;
        self.lost = Some(Lost::Some(message));
    }

    /// A request was refused.
    pub(crate) fn refused(&mut self, error: String) {
        self.failing = None;
        self.lost = Some(Lost::All(error));
    }

    /// A request failed and is tried again.
    pub(crate) fn failed(&mut self, error: String, now: SystemTime) {
        let failing = self.failing.get_or_insert_with(|| Failing { since: now, error: error.clone() });
        // A text that differs in its numbers only would be written to the status again and again.
        if without_digits(&failing.error) != without_digits(&error) {
            failing.error = error;
        }
    }

    /// What the status says, and when it will say something else if nothing happens.
    pub(crate) fn flow(&self, now: SystemTime) -> (FlowHealth, Option<SystemTime>) {
        match (&self.lost, &self.failing) {
            (Some(Lost::All(error)), _) => (FlowHealth::AllDropped { error: error.clone() }, None),
            (Some(Lost::Some(error)), _) => (FlowHealth::SomeDropped { error: error.clone() }, None),
            (None, Some(Failing { since, error })) if now >= *since + GRACE => {
                let (error, since) = (error.clone(), *since);
                (FlowHealth::BackendUnavailable { error, since }, None)
            }
            (None, failing) => {
                let flow = if self.delivered { FlowHealth::Healthy } else { FlowHealth::NothingSentYet };
                (flow, failing.as_ref().map(|failing| failing.since + GRACE))
            }
        }
    }
}

fn without_digits(text: &str) -> String {
    text.chars().filter(|character| !character.is_ascii_digit()).collect()
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
        health.refused("quota".to_owned());
        assert_eq!(health.flow(T).0, FlowHealth::AllDropped { error: "quota".to_owned() });
        health.partial("3 points".to_owned());
        health.accepted();
        health.failed("away".to_owned(), T);
        assert_eq!(health.flow(T + GRACE).0, FlowHealth::SomeDropped { error: "3 points".to_owned() });
        health.completed();
        assert_eq!(health.flow(T + GRACE), (FlowHealth::Healthy, None));
    }
}
