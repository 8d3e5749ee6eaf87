//! The set `resource`: the state and the conditions of a resource, under its coordinates in the API.

use status_model::{ConditionStatus, ModuleRef, ModuleStatus};

use super::cluster;
use crate::family::{Family, RESOURCE_CONDITIONS, RESOURCE_STATE};
use crate::origin::Origin;
use crate::sample::{Attribute, Sample};

pub(super) static FAMILIES: &[&Family] = &[&RESOURCE_STATE, &RESOURCE_CONDITIONS];

pub(super) fn translate(
    origin: &Origin,
    object: &ModuleRef,
    status: &ModuleStatus,
) -> impl Iterator<Item = Sample> {
    let coordinates = coordinates(origin, object);
    let at = move |own: Vec<Attribute>| coordinates.iter().cloned().chain(own).collect();
    let state = status.state.iter().map({
        let at = at.clone();
        move |state| Sample::new(&RESOURCE_STATE, at(vec![("state", state.to_string())]), 1)
    });
    let conditions = status.conditions.iter().map(move |condition| {
        let attributes = at(vec![
            ("type", condition.type_.clone()),
            ("status", condition.status.to_string()),
            ("reason", condition.reason.clone()),
        ]);
        Sample::new(&RESOURCE_CONDITIONS, attributes, value(&condition.status))
    });
    state.chain(conditions)
}

fn value(status: &ConditionStatus) -> i64 {
    match status {
        ConditionStatus::True => 1,
        ConditionStatus::False => 0,
        ConditionStatus::Unknown | ConditionStatus::Other(_) => -1,
    }
}

/// `kind` is the plural, and `namespace` is there and empty for a cluster-scoped object, as existing dashboards expect.
fn coordinates(origin: &Origin, object: &ModuleRef) -> Vec<Attribute> {
    let own = [
        ("group", object.group.clone()),
        ("version", object.version.clone()),
        ("kind", object.plural.clone()),
        ("namespace", object.namespace.clone().unwrap_or_default()),
        ("name", object.name.clone()),
    ];
    cluster(origin).into_iter().chain(own).collect()
}
