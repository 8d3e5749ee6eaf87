//! Which kind in the API is meant by an entry of the catalog.

use kube::Client;
use kube::discovery::{self, ApiResource, Scope};
use kube::error::DiscoveryError;

use crate::catalog::Module;
use crate::refusal::{Refusal, TIMEOUT, answer};

/// A kind that the API server serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) resource: ApiResource,
    pub(crate) namespaced: bool,
}

/// Looks a module's resource up: in the version that the catalog names, else in the highest that is served. `None` if it
/// is not served.
pub(crate) async fn discover(client: &Client, module: &Module) -> Result<Option<Served>, Refusal> {
    let group = async {
        let found = match &module.version {
            Some(version) => {
                let version = kube::core::GroupVersion::gv(&module.group, version);
                discovery::pinned_group(client, &version).await
            }
            None => discovery::group(client, &module.group).await,
        };
        match found {
            Ok(group) => Ok(Some(group)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    };
    let Some(group) = answer(group, 3 * TIMEOUT).await? else { return Ok(None) };
    let resources = match &module.version {
        Some(version) => group.versioned_resources(version),
        None => group.resources_by_stability(),
    };
    let found = resources.into_iter().find(|(resource, _)| resource.plural == module.resource);
    Ok(found.map(|(resource, capabilities)| Served {
        resource,
        namespaced: capabilities.scope == Scope::Namespaced,
    }))
}

fn is_missing(error: &kube::Error) -> bool {
    match error {
        kube::Error::Discovery(error) => matches!(
            error,
            DiscoveryError::MissingApiGroup(_)
                | DiscoveryError::MissingResource(_)
                | DiscoveryError::MissingKind(_)
                | DiscoveryError::EmptyApiGroup(_)
        ),
        error => matches!(Refusal::from(error), Refusal::NotFound(_)),
    }
}
