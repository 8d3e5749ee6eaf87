//! What the API server said, in words for people.

use std::time::Duration;

use http::StatusCode;

use crate::causes::chain;

/// How long an answer of the API server may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// Why a request to the API server gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// 403: a right is missing.
    #[error("{0}")]
    Forbidden(String),
    /// 404: there is no such object, or no such resource.
    #[error("{0}")]
    NotFound(String),
    /// 409: somebody else was faster.
    #[error("{0}")]
    Conflict(String),
    /// 410: a list has to begin again.
    #[error("{0}")]
    Gone(String),
    /// Anything else that the API server answered.
    #[error("{0}")]
    Answered(String),
    /// There was no answer.
    #[error("{0}")]
    Unanswered(String),
}

impl Refusal {
    /// A stable word for it, fit for a metric's attribute.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Forbidden(_) => "Forbidden",
            Self::NotFound(_) => "NotFound",
            Self::Conflict(_) => "Conflict",
            Self::Gone(_) => "Gone",
            Self::Answered(_) => "ServerError",
            Self::Unanswered(_) => "Unreachable",
        }
    }

    /// Whether the API server answered at all.
    pub(crate) fn is_answer(&self) -> bool {
        !matches!(self, Self::Unanswered(_))
    }
}

impl From<&kube::core::Status> for Refusal {
    fn from(status: &kube::core::Status) -> Self {
        let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let text = match status.message.as_str() {
            "" => code.to_string(),
            message => format!("{}: {message}", code.as_u16()),
        };
        match code {
            StatusCode::FORBIDDEN => Self::Forbidden(text),
            StatusCode::NOT_FOUND => Self::NotFound(text),
            StatusCode::CONFLICT => Self::Conflict(text),
            StatusCode::GONE => Self::Gone(text),
            _ => Self::Answered(text),
        }
    }
}

impl From<&kube::Error> for Refusal {
    fn from(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::from(&**status),
            kube::Error::Service(error) => Self::Unanswered(chain(&**error)),
            kube::Error::SerdeError(_) => Self::Answered(chain(error)),
            _ => Self::Unanswered(chain(error)),
        }
    }
}

/// Waits for an answer, but not for ever.
pub(crate) async fn answer<T>(
    request: impl Future<Output = Result<T, kube::Error>>,
    within: Duration,
) -> Result<T, Refusal> {
    match tokio::time::timeout(within, request).await {
        Ok(result) => result.map_err(|error| Refusal::from(&error)),
        Err(_) => {
            Err(Refusal::Unanswered(format!("no answer from the API server within {} s", within.as_secs())))
        }
    }
}
