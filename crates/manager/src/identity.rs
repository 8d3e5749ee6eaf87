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
pub(crate) struct Search {
    pub(crate) client: Client,
    /// The cluster's name, if the user gave one.
    pub(crate) name: Option<String>,
    pub(crate) identity: watch::Sender<Identity>,
    pub(crate) gates: Arc<Gates>,
    pub(crate) changed: Wake,
}

impl Search {
    /// Searches until it is found, and then waits to be dropped.
    pub(crate) async fn run(self) {
        self.gates.close(GATE, "the uid of the namespace kube-system");
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        loop {
            let again = match answer(namespaces.get("kube-system"), TIMEOUT).await {
                Ok(namespace) => break self.found_uid(namespace.uid().unwrap_or_default()),
                Err(Refusal::Forbidden(text)) => match &self.name {
                    Some(name) => break self.found_name(name, &text),
                    None => self.forbidden(&text),
                },
                Err(refusal) => {
                    self.gates.close(GATE, format!("the uid of the namespace kube-system: {refusal}"));
                    FAILED_AGAIN
                }
            };
            sleep(again).await;
        }
        std::future::pending::<()>().await;
    }

    fn found_uid(&self, uid: String) {
        let name = self.name.clone().unwrap_or_else(|| uid.clone());
        info!(cluster = name, uid, "Cluster identified");
        self.found(Origin::default().with_cluster_name(name).with_cluster_uid(uid));
    }

    fn found_name(&self, name: &str, refusal: &str) {
        warn!(cluster = name, "The uid of the cluster may not be read and is left out: {refusal}");
        self.found(Origin::default().with_cluster_name(name));
    }

    fn found(&self, origin: Origin) {
        self.gates.open(GATE);
        self.identity.send_modify(|known| *known = Ok(Arc::new(origin)));
        self.changed.wake();
    }

    fn forbidden(&self, refusal: &str) -> Duration {
        let why = format!(
            "nothing is sent: the cluster cannot be told from others. Grant get on the namespace kube-system, or set \
             --cluster-name ({refusal})"
        );
        let is_news = self.identity.borrow().as_ref().is_err_and(|known| *known != why);
        if is_news {
            warn!("{why}");
            self.identity.send_modify(|known| *known = Err(why.clone()));
            self.changed.wake();
        }
        self.gates.note(GATE, why);
        FORBIDDEN_AGAIN
    }
}
