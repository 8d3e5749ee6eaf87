//! Which cluster this is: the uid of the namespace `kube-system`, and a name.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt};
use status_metrics::Origin;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::gates::Gates;
use crate::refusal::{Refusal, TIMEOUT, answer};
use crate::wake::Wake;

const FORBIDDEN_AGAIN: Duration = Duration::from_secs(10);
const FAILED_AGAIN: Duration = Duration::from_secs(1);

const GATE: &str = "cluster";

/// Why the origin is not known, or the origin.
pub(crate) type Identity = Result<Arc<Origin>, String>;

/// Finds the origin out, once. Without the right to read the namespace, a name given by the user is enough.
pub(crate) async fn find(
    client: Client,
    name: Option<String>,
    identity: watch::Sender<Identity>,
    gates: Arc<Gates>,
    changed: Wake,
) {
    gates.close(GATE, "the uid of the namespace kube-system");
    let namespaces: Api<Namespace> = Api::all(client);
    loop {
        let again = match answer(namespaces.get("kube-system"), TIMEOUT).await {
            Ok(namespace) => {
                let uid = namespace.uid().unwrap_or_default();
                let name = name.unwrap_or_else(|| uid.clone());
                info!(cluster = name, uid, "Cluster identified");
                return found(
                    Origin::default().with_cluster_name(name).with_cluster_uid(uid),
                    &identity,
                    &gates,
                    &changed,
                );
            }
            Err(Refusal::Forbidden(text)) => {
                if let Some(name) = name {
                    warn!(cluster = name, "The uid of the cluster may not be read and is left out: {text}");
                    return found(Origin::default().with_cluster_name(name), &identity, &gates, &changed);
                }
                let why = format!(
                    "nothing is sent: the cluster cannot be told from others. Grant get on the namespace kube-system, or set \
                     --cluster-name ({text})"
                );
                if identity.borrow().as_ref().is_err_and(|known| *known != why) {
                    warn!("{why}");
                    identity.send_modify(|known| *known = Err(why.clone()));
                    changed.wake();
                }
                gates.note(GATE, why);
                FORBIDDEN_AGAIN
            }
            Err(refusal) => {
                gates.close(GATE, format!("the uid of the namespace kube-system: {refusal}"));
                FAILED_AGAIN
            }
        };
        sleep(again).await;
    }
}

fn found(origin: Origin, identity: &watch::Sender<Identity>, gates: &Gates, changed: &Wake) {
    gates.open(GATE);
    identity.send_modify(|known| *known = Ok(Arc::new(origin)));
    changed.wake();
}
