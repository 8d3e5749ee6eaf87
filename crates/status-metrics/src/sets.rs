//! Metric sets: what a user chooses from. One file each.

mod module;
mod resource;

use std::fmt;

use status_model::{ModuleRef, ModuleStatus};

use crate::family::{CLUSTER_NAME, Family};
use crate::origin::Origin;
use crate::sample::{Attribute, LimitExceeded, Samples};

/// A metric set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Set {
    /// The state and the conditions of a module under the module's name: `kyma.module.*`.
    Module,
    /// The same for any resource under its coordinates in the API: `kyma.resource.*`.
    Resource,
}

/// All metric sets, in the order of the documentation.
pub const SETS: [Set; 2] = [Set::Module, Set::Resource];

impl Set {
    /// The name of the set in a `MetricPipeline`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Resource => "resource",
        }
    }

    /// The families of this set.
    pub fn families(self) -> &'static [&'static Family] {
        match self {
            Self::Module => module::FAMILIES,
            Self::Resource => resource::FAMILIES,
        }
    }

    /// What an object's status means in this set. What is beyond the limits of [`Samples`] is left out and said.
    pub fn translate(
        self,
        origin: &Origin,
        object: &ModuleRef,
        status: &ModuleStatus,
    ) -> (Samples, Option<LimitExceeded>) {
        match self {
            Self::Module => Samples::collect(module::translate(origin, object, status)),
            Self::Resource => Samples::collect(resource::translate(origin, object, status)),
        }
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of the cluster as an attribute of a point, where it is known.
fn cluster(origin: &Origin) -> Option<Attribute> {
    origin.cluster_name.as_ref().map(|name| (CLUSTER_NAME, name.clone()))
}
