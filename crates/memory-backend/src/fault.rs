//! Faults on demand.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use http::StatusCode;
use tonic::Code;

use crate::lock::locked;
use crate::refusal::Refusal;

/// What goes wrong with a request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Fault {
    /// The request is refused with a status. See [`Fault::http`] and [`Fault::grpc`].
    Refuse(Refusal),
    /// The request is taken but for its last `rejected` points. With `rejected` 0 it is a warning.
    PartialSuccess {
        /// Number of points refused.
        rejected: i64,
        /// The message to the client.
        message: String,
    },
    /// The request is read and never answered.
    Hang,
    /// The request is taken at once and answered later.
    Delay(Duration),
    /// The connection is closed after the first piece of the body.
    Close,
    /// The answer claims to be OTLP and is not valid protobuf.
    Garbage,
    /// The answer is a web page with status 200.
    NotOtlp,
    /// The request is taken, and the answer comes byte by byte with this pause before each.
    Trickle(Duration),
}

impl Fault {
    /// An HTTP status. A gRPC client gets the bare status without `grpc-status`, as from a proxy in between.
    ///
    /// A status out of range becomes 500.
    pub fn http(status: u16, message: impl Into<String>) -> Refusal {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Refusal::http(status, message)
    }

    /// A gRPC status. An HTTP client gets the HTTP status that stands for it.
    pub fn grpc(code: Code, message: impl Into<String>) -> Refusal {
        Refusal::grpc(code, message)
    }

    /// A partial success: the last `rejected` points of a request are not taken.
    pub fn partial_success(rejected: i64, message: impl Into<String>) -> Self {
        Self::PartialSuccess { rejected, message: message.into() }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}

/// The faults that wait for requests. Those for the next requests come first, in the order they were given.
#[derive(Debug, Default)]
pub struct Faults {
    planned: Mutex<Planned>,
}

#[derive(Debug, Default)]
struct Planned {
    next: VecDeque<Fault>,
    always: Option<Fault>,
}

impl Faults {
    /// The next `requests` requests fail like this, after those already planned.
    pub fn next(&self, requests: usize, fault: impl Into<Fault>) {
        let fault = fault.into();
        locked(&self.planned).next.extend(std::iter::repeat_n(fault, requests));
    }

    /// Every request fails like this until [`Faults::clear`].
    pub fn always(&self, fault: impl Into<Fault>) {
        locked(&self.planned).always = Some(fault.into());
    }

    /// Nothing fails any more. A request that hangs goes on hanging.
    pub fn clear(&self) {
        *locked(&self.planned) = Planned::default();
    }

    /// How many of the faults given to [`Faults::next`] still wait for a request.
    pub fn waiting(&self) -> usize {
        locked(&self.planned).next.len()
    }

    pub(crate) fn take(&self) -> Option<Fault> {
        let mut planned = locked(&self.planned);
        planned.next.pop_front().or_else(|| planned.always.clone())
    }
}
