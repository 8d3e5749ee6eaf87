//! What has to be right before anything starts.

use anyhow::Context;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::net::TcpListener;

use crate::catalog::Catalog;
use crate::clock;
use crate::flags::Args;
use crate::names::{NAME, NAMESPACE};
use crate::push::Push;

/// Where a pod finds its namespace.
const POD_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Everything that is checked at the start.
pub(crate) struct Prepared {
    pub(crate) catalog: Catalog,
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) listener: TcpListener,
    pub(crate) push: Option<Push>,
    /// A name that no other process has: the pod's, and when it started.
    pub(crate) instance: String,
}

/// Reads files and variables, and takes the port. A mistake in any of them ends the start.
pub(crate) async fn prepare(args: &Args) -> anyhow::Result<Prepared> {
    let catalog = match &args.config {
        Some(file) => Catalog::read(file)?,
        None => Catalog::default(),
    };
    let push = Push::from_environment()?;
    let client = client(args).await?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("listening on {} (--listen)", args.listen))?;
    let namespace = args.namespace.clone().unwrap_or_else(pod_namespace);
    Ok(Prepared { catalog, client, namespace, listener, push, instance: instance() })
}

async fn client(args: &Args) -> anyhow::Result<Client> {
    let mut config = match &args.kubeconfig {
        Some(file) => {
            let using = || format!("using the kubeconfig {} (--kubeconfig)", file.display());
            let kubeconfig = Kubeconfig::read_from(file).with_context(using)?;
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .with_context(using)?
        }
        None => Config::infer().await.context("finding the API server (--kubeconfig names a kubeconfig)")?,
    };
    // Every caller here tries again by itself, and says so.
    config.default_retry = false;
    Client::try_from(config).context("setting up the connection to the API server")
}

fn pod_namespace() -> String {
    let namespace = std::fs::read_to_string(POD_NAMESPACE).unwrap_or_default();
    let namespace = namespace.trim();
    if namespace.is_empty() { NAMESPACE.to_owned() } else { namespace.to_owned() }
}

fn instance() -> String {
    let host = std::env::var("HOSTNAME").ok().filter(|host| !host.is_empty());
    format!("{}_{:x}{:x}", host.as_deref().unwrap_or(NAME), clock::now_ms(), std::process::id())
}
