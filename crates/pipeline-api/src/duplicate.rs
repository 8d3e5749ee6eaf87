//! Pipelines that would end each other's series.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::resolved::Resolved;

/// A pipeline that could run.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The pipeline's name.
    pub name: &'a str,
    /// Its creationTimestamp, if it has one; one without counts as the oldest.
    pub created: Option<SystemTime>,
    /// What its spec came to.
    pub resolved: &'a Resolved,
}

/// The name of each pipeline that must not run, with the name of the older one that is in its way.
///
/// Two enabled pipelines are in each other's way if they have a module and a metric set in common and their backend
/// cannot tell them apart: same endpoint with path, headers, user and client certificate, as they are *sent*, wherever
/// they come from. A pipeline that must not run is in nobody's way.
pub fn duplicates(candidates: &[Candidate<'_>]) -> BTreeMap<String, String> {
    let mut by_age: Vec<&Candidate<'_>> = candidates.iter().collect();
    by_age.sort_by_key(|candidate| (candidate.created, candidate.name));

    let mut running: Vec<&Candidate<'_>> = Vec::with_capacity(by_age.len());
    let mut duplicates = BTreeMap::new();
    for candidate in by_age {
        match running.iter().find(|older| in_the_way(older.resolved, candidate.resolved)) {
            Some(older) => {
                duplicates.insert(candidate.name.to_owned(), older.name.to_owned());
            }
            None => running.push(candidate),
        }
    }
    duplicates
}

fn in_the_way(older: &Resolved, younger: &Resolved) -> bool {
    let parts = (&older.selection, &younger.selection, &older.output, &younger.output);
    let (Some(ours), Some(theirs), Some(here), Some(there)) = parts else { return false };
    ours.overlaps(theirs) && here.same_backend(there)
}
