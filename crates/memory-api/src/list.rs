//! Lists, page by page.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use crate::{
    failure::Failure,
    name::{GroupResource, Key},
    options::{At, Options},
    render::Page,
    selector::Selector,
    storage::{Compacted, Storage},
};

/// One page of the objects that a request selects.
///
/// # Errors
/// 410 for a revision that is forgotten, 504 for one that is still to come.
pub(crate) fn page(
    storage: &Storage,
    resource: &GroupResource,
    selector: &Selector,
    options: &Options,
) -> Result<Page, Failure> {
    let from = From::of(storage, options)?;
    let objects = from.objects(storage, resource)?;
    let mut rest = objects.into_iter().filter(|(key, object)| {
        from.after.as_ref().is_none_or(|after| key > after) && selector.matches(key, object)
    });
    let mut items = Vec::new();
    let mut last = None;
    for (key, object) in rest.by_ref().take(options.limit()) {
        items.push(object);
        last = Some(key);
    }
    let remaining = rest.count();
    let next = last.filter(|_| remaining > 0).map(|key| token(from.revision, &key));
    Ok(Page { items, revision: from.revision, next, remaining })
}

/// Where a page begins.
struct From {
    revision: u64,
    after: Option<Key>,
}

impl From {
    fn of(storage: &Storage, options: &Options) -> Result<Self, Failure> {
        let token = options.get("continue");
        if !token.is_empty() {
            return read(token).ok_or_else(|| Failure::bad_request("continue key is not valid"));
        }
        let current = storage.revision();
        match options.at()? {
            At::NotOlderThan(revision) | At::Exact(revision) if revision > current => {
                Err(Failure::too_large_version(revision, current))
            }
            At::NotOlderThan(_) => Ok(Self { revision: current, after: None }),
            At::Exact(revision) => Ok(Self { revision, after: None }),
        }
    }

    fn objects(
        &self,
        storage: &Storage,
        resource: &GroupResource,
    ) -> Result<BTreeMap<Key, Arc<Value>>, Failure> {
        storage.list_at(resource, self.revision).map_err(|Compacted { requested, oldest }| match self.after {
            Some(_) => Failure::expired_continue(),
            None => Failure::expired(requested, oldest),
        })
    }
}

/// Opaque to clients: the revision of the first page, and the last object that was sent.
fn token(revision: u64, last: &Key) -> String {
    format!("{revision}/{}/{}", last.namespace, last.name)
}

fn read(token: &str) -> Option<From> {
    let (revision, key) = token.split_once('/')?;
    let (namespace, name) = key.split_once('/')?;
    Some(From { revision: revision.parse().ok()?, after: Some(Key::new(namespace, name)) })
}
