//! One request from its first byte to its answer.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::request::Parts;
use hyper::body::Incoming;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::fault::Fault;
use crate::message::{self, Wire};
use crate::point::flatten;
use crate::record::{Outcome, Protocol, Request, readable};
use crate::refusal::Refusal;
use crate::reply::{Body, Reply};
use crate::shared::Shared;

/// The connection that a request came over.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) number: u64,
    pub(crate) peer: SocketAddr,
    pub(crate) client_subject: Option<String>,
    /// Told when the connection is to be dropped at once.
    pub(crate) close: Notify,
}

/// Reads, records and answers a request.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    request: http::Request<Incoming>,
) -> http::Response<Body> {
    let protocol = Protocol::of(request.headers());
    let (parts, mut body) = request.into_parts();
    let fault = shared.faults.take();
    if matches!(fault, Some(Fault::Close)) {
        let wire = Wire::read_first(&mut body).await;
        shared.record(lost(&connection, &parts, wire.size));
        connection.close.notify_one();
        return pending().await;
    }
    let wire = Wire::read(&mut body, shared.settings.message_limit).await;
    let (request, reply) = judge(&shared, &connection, &parts, &wire, fault.as_ref());
    let recorded = shared.record(request);
    match fault {
        Some(Fault::Hang) => return pending().await,
        Some(Fault::Delay(pause)) => tokio::time::sleep(pause).await,
        _ => {}
    }
    overruled(reply, &recorded.outcome).into_response(protocol)
}

/// A strict backend may have refused what was in order by itself.
fn overruled(reply: Reply, outcome: &Outcome) -> Reply {
    match (reply, outcome) {
        (Reply::Refused(refusal), _) => Reply::Refused(refusal),
        (_, Outcome::Refused { message }) => {
            Reply::Refused(Refusal::grpc(tonic::Code::InvalidArgument, message))
        }
        (reply, _) => reply,
    }
}

/// What becomes of a request, as far as it does not depend on those before it.
fn judge(
    shared: &Shared,
    connection: &Connection,
    parts: &Parts,
    wire: &Wire,
    fault: Option<&Fault>,
) -> (Request, Reply) {
    let protocol = Protocol::of(&parts.headers);
    let mut request = lost(connection, parts, wire.size);
    if !wire.complete {
        return (request, Reply::Garbage);
    }
    let opened = message::route(protocol, parts, &shared.settings.paths)
        .and_then(|()| shared.admit(&request))
        .and_then(|()| message::open(protocol, &request.encoding, wire, shared.settings.message_limit));
    let reply = match opened {
        Ok((body, message)) => {
            request.points = flatten(&message);
            (request.body, request.message) = (body, message);
            reply(fault)
        }
        Err(refusal) => refused_anyway(refusal, fault),
    };
    request.outcome = outcome(&reply, fault);
    (request, reply)
}

/// The answer to a request that is in order.
fn reply(fault: Option<&Fault>) -> Reply {
    match fault {
        Some(Fault::Refuse(refusal)) => Reply::Refused(refusal.clone()),
        Some(Fault::PartialSuccess { rejected, message }) => {
            Reply::Partial { rejected: *rejected, message: message.clone() }
        }
        Some(Fault::Garbage) => Reply::Garbage,
        Some(Fault::NotOtlp) => Reply::NotOtlp,
        Some(Fault::Trickle(pause)) => Reply::Trickle(*pause),
        Some(Fault::Hang | Fault::Delay(_) | Fault::Close) | None => Reply::Taken,
    }
}

/// The answer to a request that is not: a fault that answers in another way goes first.
fn refused_anyway(refusal: Refusal, fault: Option<&Fault>) -> Reply {
    match fault {
        Some(Fault::Refuse(planned)) => Reply::Refused(planned.clone()),
        Some(Fault::Garbage) => Reply::Garbage,
        Some(Fault::NotOtlp) => Reply::NotOtlp,
        _ => Reply::Refused(refusal),
    }
}

fn outcome(reply: &Reply, fault: Option<&Fault>) -> Outcome {
    match (reply, fault) {
        (Reply::Refused(refusal), _) => Outcome::Refused { message: refusal.message.clone() },
        (Reply::Garbage | Reply::NotOtlp, _) | (_, Some(Fault::Hang)) => Outcome::Lost,
        (Reply::Partial { rejected, .. }, _) => Outcome::Partial { rejected: *rejected },
        (Reply::Taken | Reply::Trickle(_), _) => Outcome::Accepted,
    }
}

/// A request of which nothing was read but its head.
fn lost(connection: &Connection, parts: &Parts, wire_size: usize) -> Request {
    let protocol = Protocol::of(&parts.headers);
    Request {
        number: 0,
        arrived: Instant::now(),
        arrived_at: SystemTime::now(),
        protocol,
        path: parts.uri.path().to_owned(),
        headers: readable(&parts.headers),
        encoding: message::encoding(protocol, parts).to_owned(),
        wire_size,
        body: bytes::Bytes::new(),
        peer: connection.peer,
        connection: connection.number,
        client_subject: connection.client_subject.clone(),
        message: ExportMetricsServiceRequest::default(),
        points: Vec::new(),
        outcome: Outcome::Lost,
    }
}
