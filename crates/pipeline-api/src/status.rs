//! The answer to a pipeline: its conditions.

use std::time::SystemTime;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::condition::{ConditionStatus, ConditionType, Reason};
use crate::modules::ModulesObservation;
use crate::pipeline::MetricPipelineStatus;
use crate::problem::Invalid;
use crate::resolved::Resolved;
use crate::service_account::ServiceAccount;
use crate::text;
use crate::validity::{ExpiringCertificate, to_seconds};

/// All that a status is made of.
#[derive(Clone, Debug)]
pub struct Observed<'a> {
    /// The generation of the pipeline that was resolved.
    pub generation: Option<i64>,
    /// What its spec came to.
    pub configuration: Result<&'a Resolved, &'a Invalid>,
    /// How the exporter is; does not matter where the configuration is invalid.
    pub gateway: GatewayHealth,
    /// How exporting goes; does not matter where there is nothing to export or nowhere to send it.
    pub flow: FlowHealth,
    /// How observing goes; does not matter where the input is disabled.
    pub modules: ModulesObservation,
    /// Who the manager is, for messages about missing rights.
    pub manager: &'a ServiceAccount,
}

/// How an exporter is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayHealth {
    /// It runs, and the first lists are answered.
    Ready,
    /// It does not run yet.
    NotReady {
        /// What it waits for, as a phrase: `the first list of telemetries.operator.kyma-project.io`.
        waiting_for: String,
    },
}

/// How the exports of a pipeline with an output go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowHealth {
    /// There was no export yet.
    NothingSentYet,
    /// The last exports were accepted whole.
    Healthy,
    /// Exports fail and are retried; nothing is lost yet.
    BackendUnavailable {
        /// What the backend or the connection said.
        error: String,
        /// The time of the first failure.
        since: SystemTime,
    },
    /// The backend refused everything.
    AllDropped {
        /// What the backend said.
        error: String,
    },
    /// The backend refused a part, or changes did not fit the queue.
    SomeDropped {
        /// What the backend said.
        error: String,
    },
}

type Verdict = (ConditionStatus, Reason, String);

/// The status of a pipeline: every condition type, each once, in a fixed order.
///
/// Pure and total. A condition keeps its `lastTransitionTime` from `previous` as long as its status is the same, so that
/// an unchanged pipeline has an unchanged status at any `now`.
pub fn status(
    observed: &Observed<'_>,
    previous: Option<&MetricPipelineStatus>,
    now: SystemTime,
) -> MetricPipelineStatus {
    let verdicts = [
        (ConditionType::ConfigurationGenerated, configuration(observed)),
        (ConditionType::GatewayHealthy, gateway(observed)),
        (ConditionType::AgentHealthy, agent()),
        (ConditionType::TelemetryFlowHealthy, flow(observed)),
        (ConditionType::ModulesObserved, modules(observed)),
    ];
    let now = to_time(now);
    let condition = |(kind, verdict)| condition(kind, verdict, observed.generation, previous, &now);
    MetricPipelineStatus { conditions: verdicts.into_iter().map(condition).collect() }
}

/// Whether `next` says something that `previous` does not. Conditions that somebody else added are not looked at.
pub fn needs_write(previous: Option<&MetricPipelineStatus>, next: &MetricPipelineStatus) -> bool {
    next.conditions.iter().any(|condition| find(previous, &condition.type_) != Some(condition))
}

fn configuration(observed: &Observed<'_>) -> Verdict {
    match observed.configuration {
        Err(invalid) => (ConditionStatus::False, invalid.reason(), invalid.message(observed.manager)),
        Ok(resolved) if resolved.expiring.is_empty() => {
            (ConditionStatus::True, Reason::GatewayConfigured, "The configuration is valid.".to_owned())
        }
        Ok(resolved) => {
            let messages: Vec<String> = resolved.expiring.iter().map(ExpiringCertificate::message).collect();
            let message = format!("{}.", messages.join(". "));
            (ConditionStatus::True, Reason::TlsCertificateAboutToExpire, message)
        }
    }
}

fn gateway(observed: &Observed<'_>) -> Verdict {
    let Ok(resolved) = observed.configuration else {
        let message =
            "The exporter does not run, because the configuration is not valid; see ConfigurationGenerated.";
        return (ConditionStatus::False, Reason::GatewayConfigurationNotGenerated, message.to_owned());
    };
    let ready = |message: &str| (ConditionStatus::True, Reason::GatewayReady, message.to_owned());
    match &observed.gateway {
        _ if resolved.selection.is_none() => ready("Nothing needs to run: the input is disabled."),
        GatewayHealth::Ready if resolved.output.is_none() => ready("The metrics are served for scraping."),
        GatewayHealth::Ready => ready("The exporter runs."),
        GatewayHealth::NotReady { waiting_for } => {
            let message = format!("The exporter is not ready; it waits for {}.", text::quoted(waiting_for));
            (ConditionStatus::False, Reason::GatewayNotReady, message)
        }
    }
}

fn agent() -> Verdict {
    (ConditionStatus::True, Reason::AgentNotRequired, "There is no agent, and none is needed.".to_owned())
}

fn flow(observed: &Observed<'_>) -> Verdict {
    match observed.configuration {
        _ if input_disabled(observed) => disabled(),
        Err(_) => {
            let message =
                "Nothing is sent, because the configuration is not valid; see ConfigurationGenerated.";
            (ConditionStatus::False, Reason::ConfigurationNotGenerated, message.to_owned())
        }
        Ok(resolved) if resolved.output.is_none() => {
            let message = "There is no output: the metrics are served for scraping only.";
            (ConditionStatus::True, Reason::ScrapeOnly, message.to_owned())
        }
        Ok(_) => observed.flow.verdict(),
    }
}

fn modules(observed: &Observed<'_>) -> Verdict {
    if input_disabled(observed) { disabled() } else { observed.modules.verdict() }
}

fn input_disabled(observed: &Observed<'_>) -> bool {
    match observed.configuration {
        Ok(resolved) => resolved.selection.is_none(),
        Err(invalid) => invalid.input_disabled(),
    }
}

fn disabled() -> Verdict {
    let message = "The input is disabled; set spec.input.kyma.enabled to true to enable it.";
    (ConditionStatus::Unknown, Reason::InputDisabled, message.to_owned())
}

impl FlowHealth {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NothingSentYet => {
                let message = "Nothing has been sent yet.".to_owned();
                (ConditionStatus::Unknown, Reason::NothingSentYet, message)
            }
            Self::Healthy => {
                let message = "The backend accepts what is sent.".to_owned();
                (ConditionStatus::True, Reason::FlowHealthy, message)
            }
            Self::BackendUnavailable { error, since } => {
                let (since, error) = (to_time(*since).0, text::quoted(error));
                let message = format!(
                    "The backend cannot be reached or does not accept requests since {since}; sending is retried, nothing \
                     is lost yet: {error}."
                );
                (ConditionStatus::False, Reason::BackendUnavailable, message)
            }
            Self::AllDropped { error } => {
                let message = format!(
                    "The backend refuses all metrics, and they are dropped: {}.",
                    text::quoted(error)
                );
                (ConditionStatus::False, Reason::GatewayAllTelemetryDataDropped, message)
            }
            Self::SomeDropped { error } => {
                let message =
                    format!("Some metrics were not accepted and are dropped: {}.", text::quoted(error));
                (ConditionStatus::False, Reason::GatewaySomeTelemetryDataDropped, message)
            }
        }
    }
}

fn condition(
    kind: ConditionType,
    (status, reason, message): Verdict,
    generation: Option<i64>,
    previous: Option<&MetricPipelineStatus>,
    now: &Time,
) -> Condition {
    let same_status = |condition: &&Condition| condition.status == status.as_str();
    let since =
        find(previous, kind.as_str()).filter(same_status).map(|condition| &condition.last_transition_time);
    Condition {
        type_: kind.as_str().to_owned(),
        status: status.as_str().to_owned(),
        reason: reason.as_str().to_owned(),
        message: text::message(&message),
        observed_generation: generation,
        last_transition_time: since.unwrap_or(now).clone(),
    }
}

fn find<'a>(status: Option<&'a MetricPipelineStatus>, kind: &str) -> Option<&'a Condition> {
    status?.conditions.iter().find(|condition| condition.type_ == kind)
}

/// Whole seconds, because that is what a condition keeps; a time beyond the calendar is its nearest end.
fn to_time(time: SystemTime) -> Time {
    let seconds = to_seconds(time);
    let bound = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Time(Timestamp::from_second(seconds).unwrap_or(bound))
}
