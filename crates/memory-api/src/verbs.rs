//! The verbs of a resource over HTTP.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::{
    api::MemoryApi,
    body::Body,
    cluster::{Cluster, Deleted, Written},
    failure::Failure,
    kind::{Scope, StatusPart},
    list,
    name::Key,
    options::Options,
    path::Attributes,
    render::{Form, Shape},
    respond,
    revise::Part,
    selector::Selector,
    target::{Preconditions, Target},
    watch::{self, Start},
};

/// One request for a resource.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) request: &'a Attributes,
    pub(crate) options: &'a Options,
    pub(crate) accept: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) body: &'a [u8],
}

/// Performs the verb of a request.
pub(crate) fn perform(api: &MemoryApi, input: &Input<'_>) -> Result<Response<Body>, Failure> {
    let Some(target) = api.read(|cluster| target(cluster, input.request)) else {
        return Ok(respond::no_such_page());
    };
    if !input.options.get("dryRun").is_empty() {
        return Err(Failure::bad_request("dryRun is not supported by the API in memory"));
    }
    let form = Form {
        kind: target.kind.clone(),
        version: target.version.name.clone(),
        shape: Shape::of(input.accept),
    };
    let call = Call { api, input, target, form };
    match input.request.verb.as_str() {
        "get" => call.get(),
        "list" => call.list(),
        "watch" => call.watch(),
        "create" => call.create(),
        "update" => call.replace(),
        "patch" => call.patch(),
        "delete" => call.delete(),
        "deletecollection" => call.delete_collection(),
        _ => Err(Failure::method_not_allowed()),
    }
}

/// The object or collection that a request addresses; `None` where there is no such path.
fn target(cluster: &Cluster, request: &Attributes) -> Option<Target> {
    let kind = cluster.registry.get(&request.id())?.clone();
    let version = kind.version(&request.version)?.clone();
    let part = match (request.subresource.as_str(), version.status) {
        ("", _) => Part::Main,
        ("status", StatusPart::Subresource) => Part::Status,
        _ => return None,
    };
    let itself = kind.id.resource == "namespaces";
    let namespace = match kind.scope {
        Scope::Namespaced => request.namespace.as_str(),
        Scope::Cluster if itself || request.namespace.is_empty() => "",
        Scope::Cluster => return None,
    };
    if kind.scope == Scope::Namespaced && namespace.is_empty() && request.name_in_path() {
        return None;
    }
    let name = if request.name_in_path() { request.name.as_str() } else { "" };
    let key = Key::new(namespace, name);
    Some(Target { kind, version, key, part })
}

impl Attributes {
    fn name_in_path(&self) -> bool {
        !matches!(self.verb.as_str(), "list" | "watch" | "deletecollection" | "create")
    }
}

/// A request with what it addresses.
struct Call<'a> {
    api: &'a MemoryApi,
    input: &'a Input<'a>,
    target: Target,
    form: Form,
}

impl Call<'_> {
    fn get(&self) -> Result<Response<Body>, Failure> {
        self.api.read(|cluster| cluster.get(&self.target)).map(|object| self.object(StatusCode::OK, &object))
    }

    fn list(&self) -> Result<Response<Body>, Failure> {
        let selector = self.selector()?;
        let page = self.api.read(|cluster| {
            list::page(&cluster.storage, &self.target.kind.id, &selector, self.input.options)
        })?;
        Ok(respond::json(StatusCode::OK, &self.form.list(page)))
    }

    fn watch(&self) -> Result<Response<Body>, Failure> {
        let options = self.input.options;
        let request = watch::Request {
            form: self.form.clone(),
            selector: self.selector()?,
            start: match (options.initial_events()?, options.resource_version()?) {
                (true, _) => Start::Announced,
                (false, 0) => Start::Present,
                (false, revision) => Start::After(revision),
            },
            bookmarks: options.is("allowWatchBookmarks"),
            timeout: options.timeout(),
        };
        let open = self.api.watches().open(self.input.request.clone());
        Ok(respond::lines(Body::stream(watch::lines(self.api, open, request))))
    }

    fn create(&self) -> Result<Response<Body>, Failure> {
        let object = self.document()?;
        let target = self.target.clone();
        let stored = self.api.write(|cluster, now| cluster.create(target, object, now))?;
        Ok(self.object(StatusCode::CREATED, &stored))
    }

    fn replace(&self) -> Result<Response<Body>, Failure> {
        let object = self.document()?;
        let stored = self.api.write(|cluster, now| cluster.replace(&self.target, object, now))?;
        Ok(self.object(StatusCode::OK, &stored))
    }

    fn patch(&self) -> Result<Response<Body>, Failure> {
        let media_type = self.input.content_type.split(';').next().unwrap_or_default().trim();
        match media_type {
            "application/merge-patch+json" => {
                let patch = self.document()?;
                let stored = self.api.write(|cluster, now| cluster.patch(&self.target, &patch, now))?;
                Ok(self.object(StatusCode::OK, &stored))
            }
            "application/apply-patch+yaml" => self.apply(),
            _ => Err(Failure::unsupported_media_type()),
        }
    }

    fn apply(&self) -> Result<Response<Body>, Failure> {
        let manager = self.input.options.get("fieldManager");
        if manager.is_empty() {
            let cause = "fieldManager: Required value: is required for apply patch";
            return Err(Failure::invalid("PatchOptions.meta.k8s.io", "", cause));
        }
        let object = self.document()?;
        match self.api.write(|cluster, now| cluster.apply(&self.target, object, manager, now))? {
            Written::Created(stored) => Ok(self.object(StatusCode::CREATED, &stored)),
            Written::Updated(stored) => Ok(self.object(StatusCode::OK, &stored)),
        }
    }

    fn delete(&self) -> Result<Response<Body>, Failure> {
        let only = self.preconditions()?;
        let deleted = self.api.write(|cluster, now| cluster.delete(&self.target, &only, now))?;
        Ok(match deleted {
            Deleted::Waiting(object) => self.object(StatusCode::OK, &object),
            Deleted::Gone(object) => respond::json(StatusCode::OK, &self.success(&object)),
        })
    }

    fn delete_collection(&self) -> Result<Response<Body>, Failure> {
        let selector = self.selector()?;
        let page = self.api.write(|cluster, now| {
            let page = list::page(&cluster.storage, &self.target.kind.id, &selector, &Options::default())?;
            for object in &page.items {
                let mut target = self.target.clone();
                let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
                target.key = Key::new(text("namespace"), text("name"));
                cluster.delete(&target, &Preconditions::default(), now)?;
            }
            Ok(page)
        })?;
        Ok(respond::json(StatusCode::OK, &self.form.list(page)))
    }

    fn selector(&self) -> Result<Selector, Failure> {
        let options = self.input.options;
        Selector::parse(
            &self.target.key.namespace,
            options.get("fieldSelector"),
            options.get("labelSelector"),
        )
    }

    /// The body; of YAML only JSON is read.
    fn document(&self) -> Result<Value, Failure> {
        let document: Value = serde_json::from_slice(self.input.body).map_err(|error| {
            Failure::bad_request(format!(
                "the object provided is unrecognized (must be of type JSON): {error}"
            ))
        })?;
        if document.is_object() {
            return Ok(document);
        }
        Err(Failure::bad_request("the object provided is not a JSON object"))
    }

    fn preconditions(&self) -> Result<Preconditions, Failure> {
        if self.input.body.is_empty() {
            return Ok(Preconditions::default());
        }
        let given = &self.document()?["preconditions"];
        let text = |field: &str| given[field].as_str().map(str::to_owned);
        Ok(Preconditions { uid: text("uid"), resource_version: text("resourceVersion") })
    }

    fn object(&self, code: StatusCode, object: &Value) -> Response<Body> {
        respond::json(code, &self.form.object(object))
    }

    fn success(&self, object: &Value) -> Value {
        let id = &self.target.kind.id;
        let mut details =
            json!({"name": self.target.key.name, "kind": id.resource, "uid": object["metadata"]["uid"]});
        if !id.group.is_empty() {
            details["group"] = id.group.as_str().into();
        }
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
    }
}
