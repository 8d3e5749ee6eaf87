//! The set `module`: the state and the conditions of a module, under the module's name.

use status_model::{ConditionStatus, ModuleRef, ModuleStatus, State};

use super::cluster;
use crate::family::{Family, MODULE_CONDITION, MODULE_STATE, NAMESPACE_NAME, RESOURCE_KIND, RESOURCE_NAME};
use crate::origin::Origin;
use crate::sample::{Attribute, Sample};

pub(super) static FAMILIES: &[&Family] = &[&MODULE_STATE, &MODULE_CONDITION];

pub(super) fn translate(
    origin: &Origin,
    object: &ModuleRef,
    status: &ModuleStatus,
) -> impl Iterator<Item = Sample> {
    let context = context(origin, object);
    let with_context = move |own: Vec<Attribute>| context.iter().cloned().chain(own).collect();
    let name = || ("name", object.module.clone());
    let state = status.state.iter().map({
        let with_context = with_context.clone();
        move |state| {
            let attributes = with_context(vec![name(), ("state", state.to_string())]);
            Sample::new(&MODULE_STATE, attributes, i64::from(*state == State::Ready))
        }
    });
    let conditions = status.conditions.iter().map(move |condition| {
        let attributes = with_context(vec![
            name(),
            ("type", condition.type_.clone()),
            ("status", condition.status.to_string()),
            ("reason", condition.reason.clone()),
        ]);
        Sample::new(&MODULE_CONDITION, attributes, i64::from(condition.status == ConditionStatus::True))
    });
    state.chain(conditions)
}

/// Where the point comes from, for backends that drop resource attributes.
fn context(origin: &Origin, object: &ModuleRef) -> Vec<Attribute> {
    let namespace = object.namespace.as_ref().map(|namespace| (NAMESPACE_NAME, namespace.clone()));
    let own = [(RESOURCE_KIND, object.plural.clone()), (RESOURCE_NAME, object.name.clone())];
    cluster(origin).into_iter().chain(namespace).chain(own).collect()
}
