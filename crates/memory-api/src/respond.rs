//! From a request to a response.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, request::Parts};
use serde_json::Value;

use crate::{
    api::MemoryApi,
    body::Body,
    discovery,
    failure::Failure,
    faults::Met,
    openapi,
    options::Options,
    path::{Attributes, Place},
    requests::Request,
    selector::Selector,
    verbs, watch,
};

/// The connection ends without a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection was closed by the API server")]
#[non_exhaustive]
pub struct Disconnected;

/// Answers one request whose body was read.
pub(crate) async fn respond(
    api: &MemoryApi,
    head: &Parts,
    body: &[u8],
) -> Result<Response<Body>, Disconnected> {
    let query = head.uri.query().unwrap_or_default();
    let options = Options::parse(query);
    let mut place = Place::of(&head.method, head.uri.path(), options.is("watch"));
    if let Place::Resource(request) = &mut place {
        name_from_selector(request, &options);
    }
    api.requests().record(Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: query.to_owned(),
        user_agent: text(head, &header::USER_AGENT).to_owned(),
        attributes: match &place {
            Place::Resource(request) => Some(request.clone()),
            _ => None,
        },
    });
    // Discovery meets those faults that select everything.
    let everything = Attributes::default();
    let request = if let Place::Resource(request) = &place { request } else { &everything };
    match api.faults().meet(request).await {
        Ok(()) => Ok(answer(api, &place, &options, head, body)),
        Err(Met::Refusal(failure)) => Ok(refuse(&failure)),
        Err(Met::GoneWatch) => Ok(lines(Body::stream(watch::refused(&Failure::expired(0, api.revision()))))),
        Err(Met::Disconnect) => Err(Disconnected),
    }
}

/// A list or watch of one name is authorized for that name.
fn name_from_selector(request: &mut Attributes, options: &Options) {
    let collection = matches!(request.verb.as_str(), "list" | "watch" | "deletecollection");
    let selector = Selector::parse("", options.get("fieldSelector"), "");
    if let (true, Some(name)) = (collection, selector.ok().as_ref().and_then(Selector::name)) {
        name.clone_into(&mut request.name);
    }
}

fn answer(api: &MemoryApi, place: &Place, options: &Options, head: &Parts, body: &[u8]) -> Response<Body> {
    let accept = text(head, &header::ACCEPT);
    let document = match place {
        Place::Resource(request) => {
            let content_type = text(head, &header::CONTENT_TYPE);
            let input = verbs::Input { request, options, accept, content_type, body };
            return verbs::perform(api, &input).unwrap_or_else(|failure| refuse(&failure));
        }
        Place::Health => return plain(StatusCode::OK, "ok"),
        Place::Unknown => None,
        Place::Version => Some(discovery::version()),
        Place::CoreVersions if accept.contains("as=APIGroupDiscoveryList") => {
            return aggregated(api, str::is_empty);
        }
        Place::Groups if accept.contains("as=APIGroupDiscoveryList") => {
            return aggregated(api, |group| !group.is_empty());
        }
        Place::CoreVersions => Some(api.read(|cluster| discovery::core_versions(&cluster.registry))),
        Place::Groups => Some(api.read(|cluster| discovery::groups(&cluster.registry))),
        Place::Group(group) => api.read(|cluster| discovery::group(&cluster.registry, group)),
        Place::GroupVersion(group, version) => {
            api.read(|cluster| discovery::resources(&cluster.registry, group, version))
        }
        Place::Schemas => Some(api.read(|cluster| openapi::index(&cluster.registry))),
        Place::Schema(group, version) => {
            api.read(|cluster| openapi::document(&cluster.registry, group, version))
        }
    };
    document.map_or_else(no_such_page, |document| json(StatusCode::OK, &document))
}

fn aggregated(api: &MemoryApi, wanted: impl Fn(&str) -> bool) -> Response<Body> {
    let document = api.read(|cluster| discovery::aggregated(&cluster.registry, wanted));
    let mut response = json(StatusCode::OK, &document);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(discovery::AGGREGATED));
    response
}

fn text<'a>(head: &'a Parts, name: &header::HeaderName) -> &'a str {
    head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn with_type(code: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn plain(code: StatusCode, text: &'static str) -> Response<Body> {
    with_type(code, "text/plain; charset=utf-8", Body::whole(Bytes::from_static(text.as_bytes())))
}

/// What the real API server says about a path that it does not serve, such as that of a removed definition.
pub(crate) fn no_such_page() -> Response<Body> {
    plain(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// A document.
pub(crate) fn json(code: StatusCode, document: &Value) -> Response<Body> {
    with_type(code, "application/json", Body::whole(document.to_string()))
}

/// The lines of a watch.
pub(crate) fn lines(body: Body) -> Response<Body> {
    with_type(StatusCode::OK, "application/json", body)
}

/// A refusal as a `Status` object.
pub(crate) fn refuse(failure: &Failure) -> Response<Body> {
    let code = StatusCode::from_u16(failure.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let status = failure.to_status();
    let mut response = json(code, &status);
    if let Some(seconds) = status["details"]["retryAfterSeconds"].as_u64() {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
