//! What a backend's answer means: <https://opentelemetry.io/docs/specs/otlp/>, "Failures".

use std::time::{Duration, SystemTime};

use ::http::{HeaderMap, StatusCode, header};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use tonic::Code;
use tonic_types::StatusExt;

/// A longer wait that a backend asks for is cut to this.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// What became of one attempt to send a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The backend took all of it.
    Accepted,
    /// The backend took a part of it.
    Partial {
        /// How many points it did not take.
        rejected: u64,
        /// What it said.
        message: String,
    },
    /// The backend does not take it, and would not take it again.
    Refused {
        /// What it said.
        error: String,
    },
    /// The backend may take it later.
    Retry {
        /// What it said.
        error: String,
        /// It asks to wait so long.
        after: Option<Duration>,
    },
    /// Nobody knows what became of it.
    Unanswered {
        /// What the connection said.
        error: String,
    },
}

impl Outcome {
    pub(crate) fn unanswered(error: impl Into<String>) -> Self {
        let mut error = error.into();
        // What rustls says of an answer that is not TLS.
        if error.contains("InvalidContentType") {
            error.push_str("; the backend seems to speak plaintext: use http:// or tls.insecure");
        }
        Self::Unanswered { error }
    }

    /// The same with another text.
    pub(crate) fn map_text(self, map: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Accepted => Self::Accepted,
            Self::Partial { rejected, message } => Self::Partial { rejected, message: map(message) },
            Self::Refused { error } => Self::Refused { error: map(error) },
            Self::Retry { error, after } => Self::Retry { error: map(error), after },
            Self::Unanswered { error } => Self::Unanswered { error: map(error) },
        }
    }

    /// Of an answer that says that the request was taken.
    pub(crate) fn of_response(response: &ExportMetricsServiceResponse) -> Self {
        match &response.partial_success {
            Some(partial) if partial.rejected_data_points > 0 => Self::Partial {
                rejected: partial.rejected_data_points.unsigned_abs(),
                message: partial.error_message.clone(),
            },
            Some(partial) if !partial.error_message.is_empty() => {
                tracing::debug!(message = partial.error_message, "The backend warns");
                Self::Accepted
            }
            _ => Self::Accepted,
        }
    }

    /// Of a gRPC status that is not OK.
    pub(crate) fn of_status(status: &tonic::Status) -> Self {
        let error = match status.message() {
            "" => format!("{:?}", status.code()),
            message => format!("{:?}: {message}", status.code()),
        };
        let after = status.get_details_retry_info().and_then(|info| info.retry_delay);
        match status.code() {
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss => Self::retry(error, after),
            // Only with RetryInfo does it say that the backend recovers.
            Code::ResourceExhausted if after.is_some() => Self::retry(error, after),
            _ => Self::Refused { error },
        }
    }

    /// Of an HTTP status that is not a success; `said` is the body's text.
    pub(crate) fn of_http(status: StatusCode, headers: &HeaderMap, said: &str, now: SystemTime) -> Self {
        let error = if said.is_empty() { status.to_string() } else { format!("{status}: {said}") };
        match status.as_u16() {
            429 | 502 | 503 | 504 => Self::retry(error, retry_after(headers, now)),
            _ => Self::Refused { error },
        }
    }

    fn retry(error: String, after: Option<Duration>) -> Self {
        Self::Retry { error, after: after.map(|after| after.min(LONGEST_WAIT)) }
    }
}

/// Seconds or a date, <https://www.rfc-editor.org/rfc/rfc9110#name-retry-after>.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(SystemTime::from(date).duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(code: u16, retry_after: Option<&str>) -> Outcome {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
        }
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        Outcome::of_http(StatusCode::from_u16(code).unwrap(), &headers, "said", now)
    }

    /// The seconds to wait before the next try; -1 if the backend says nothing of it.
    fn waits(outcome: &Outcome) -> Option<i64> {
        match outcome {
            Outcome::Retry { after: Some(after), .. } => i64::try_from(after.as_secs()).ok(),
            Outcome::Retry { after: None, .. } => Some(-1),
            _ => None,
        }
    }

    #[test]
    fn only_the_codes_of_the_specification_are_tried_again() {
        let again: Vec<u16> = (400..600).filter(|code| waits(&http(*code, None)).is_some()).collect();
        assert_eq!(again, [429, 502, 503, 504]);
        let codes = (1..=16).map(Code::from_i32);
        let again: Vec<_> = codes
            .filter(|code| waits(&Outcome::of_status(&tonic::Status::new(*code, "said"))).is_some())
            .collect();
        let expected = [
            Code::Cancelled,
            Code::DeadlineExceeded,
            Code::Aborted,
            Code::OutOfRange,
            Code::Unavailable,
            Code::DataLoss,
        ];
        assert_eq!(again, expected);
    }

    #[test]
    fn a_wait_that_is_asked_for_is_obeyed_up_to_five_minutes() {
        assert_eq!(waits(&http(429, Some("7"))), Some(7));
        assert_eq!(waits(&http(503, Some("100000"))), Some(300));
        assert_eq!(waits(&http(503, Some("Tue, 14 Nov 2023 22:13:50 GMT"))), Some(30));
        assert_eq!(waits(&http(503, Some("Tue, 14 Nov 2023 22:13:00 GMT"))), Some(0));
        assert_eq!(waits(&http(503, Some("soon"))), Some(-1));
        let details = tonic_types::ErrorDetails::with_retry_info(Some(Duration::from_secs(9)));
        let status = tonic::Status::with_error_details(Code::ResourceExhausted, "said", details);
        assert_eq!(waits(&Outcome::of_status(&status)), Some(9));
    }
}
