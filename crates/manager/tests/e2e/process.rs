//! The manager as a process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::process::Child;

use crate::cluster::{Cluster, NAMESPACE, until};

/// A running manager; dropped, it is killed.
pub(crate) struct Manager {
    child: Child,
    log: PathBuf,
    listen: SocketAddr,
}

/// An answer of the manager's HTTP server.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) text: String,
}

impl Manager {
    /// Starts a manager with the seed's catalog.
    pub(crate) async fn start(cluster: &Cluster) -> Self {
        Self::start_with(cluster, &[]).await
    }

    /// Starts a manager with more arguments.
    pub(crate) async fn start_with(cluster: &Cluster, arguments: &[&str]) -> Self {
        Self::start_in(cluster, arguments, &[]).await
    }

    /// Starts a manager with more arguments and variables, and waits until it serves.
    pub(crate) async fn start_in(
        cluster: &Cluster,
        arguments: &[&str],
        variables: &[(&str, String)],
    ) -> Self {
        let listen = free_port().await;
        let log = cluster.folder.join(format!("manager-{}.log", listen.port()));
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_manager"));
        command.env_clear().arg("run").args(["--log", "info,manager=debug"]);
        command.arg("--kubeconfig").arg(&cluster.kubeconfig);
        command.arg("--config").arg(cluster.folder.join("catalog.yaml"));
        command.args(["--namespace", NAMESPACE, "--listen", &listen.to_string()]);
        command.env("STATUS_MANAGER_CLUSTER_NAME", "e2e");
        command.args(arguments).envs(variables.iter().cloned()).kill_on_drop(true);
        command.stderr(std::fs::File::create(&log).unwrap());
        let mut manager = Self { child: command.spawn().unwrap(), log, listen };
        until("the manager serves", async || {
            if let Some(status) = manager.child.try_wait().unwrap() {
                panic!("the manager ended with {status}:\n{}", manager.log());
            }
            tokio::net::TcpStream::connect(listen).await.is_ok()
        })
        .await;
        manager
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) async fn get(&self, path: &str, accept: &str) -> Answer {
        let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let request = http::Request::get(format!("http://{}{path}", self.listen)).header("accept", accept);
        let response = client.request(request.body(Empty::new()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let content_type = head.headers.get("content-type").map(|value| value.to_str().unwrap().to_owned());
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status.as_u16(),
            content_type: content_type.unwrap_or_default(),
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// The bytes of `/metrics` in an encoding.
    pub(crate) async fn page_bytes(&self, encoding: &str) -> Bytes {
        let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let request =
            http::Request::get(format!("http://{}/metrics", self.listen)).header("accept-encoding", encoding);
        let response = client.request(request.body(Empty::new()).unwrap()).await.unwrap();
        response.into_body().collect().await.unwrap().to_bytes()
    }

    pub(crate) async fn readyz(&self) -> (u16, String) {
        let answer = self.get("/readyz", "*/*").await;
        (answer.status, answer.text)
    }

    pub(crate) async fn metrics(&self) -> String {
        self.get("/metrics", "text/plain").await.text
    }

    /// Whether it holds the Lease.
    pub(crate) async fn leads(&self) -> bool {
        self.metrics().await.lines().any(|line| line == "status_manager_leader 1")
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().await.unwrap()
    }

    /// Kills it, as a crash does.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the manager's log, {}:\n{}", self.log.display(), self.log());
        }
    }
}

async fn free_port() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}
