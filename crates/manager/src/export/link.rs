//! The connection to one output, and when it may be used again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use bytes::Bytes;
use pipeline_api::OtlpOutput;
use tokio::time::{Instant, timeout};

use super::outcome::Outcome;
use super::transport::Transport;

/// How long a backend may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// A shorter part of a credential is not looked for in what a backend says.
const TELLING: usize = 6;

/// A connection to an output.
pub(crate) struct Link {
    output: OtlpOutput,
    transport: Transport,
    backoff: ExponentialBackoff,
    /// The backend asked not to be asked before, or failed.
    not_before: Instant,
}

impl Link {
    pub(crate) fn new(output: &OtlpOutput) -> Result<Self, rustls::Error> {
        let transport = Transport::new(output)?;
        Ok(Self { output: output.clone(), transport, backoff: backoff(), not_before: Instant::now() })
    }

    /// Whether it leads to this output.
    pub(crate) fn leads_to(&self, output: &OtlpOutput) -> bool {
        self.output == *output
    }

    /// When it may be used.
    pub(crate) fn not_before(&self) -> Instant {
        self.not_before
    }

    /// Sends one request, and takes at most this long.
    pub(crate) async fn send(&mut self, body: Bytes, within: Duration) -> Outcome {
        let within = within.min(ANSWER);
        let outcome = match timeout(within, self.transport.send(body)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::unanswered(format!("no answer within {} s", within.as_secs_f64().ceil())),
        };
        self.judge(&outcome);
        outcome.map_text(|text| self.without_credentials(text))
    }

    /// Not again for a while.
    pub(crate) fn pause(&mut self, at_least: Duration) {
        let pause = self.backoff.next().unwrap_or_default().max(at_least);
        self.not_before = Instant::now() + pause;
    }

    fn judge(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Accepted | Outcome::Partial { .. } => self.backoff = backoff(),
            Outcome::Refused { .. } => self.pause(Duration::ZERO),
            Outcome::Retry { after, .. } => self.pause(after.unwrap_or_default()),
            Outcome::Unanswered { .. } => {
                self.pause(Duration::ZERO);
                // A connection on which nothing comes back may never break by itself.
                if let Ok(transport) = Transport::new(&self.output) {
                    self.transport = transport;
                }
            }
        }
    }

    /// A backend may quote what it was sent.
    fn without_credentials(&self, text: String) -> String {
        let values = self.output.headers.iter().filter_map(|(_, value)| value.expose_text());
        let parts = values.flat_map(str::split_whitespace).filter(|part| part.len() >= TELLING);
        parts.fold(text, |text, part| text.replace(part, "[redacted]"))
    }
}

/// 0.25 s doubling to 2.5 s, to which the jitter adds up to as much again.
fn backoff() -> ExponentialBackoff {
    let builder = ExponentialBuilder::default().with_min_delay(Duration::from_millis(250));
    builder
        .with_max_delay(Duration::from_millis(2_500))
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .build()
}
