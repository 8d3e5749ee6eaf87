//! The API over HTTP on a loopback address.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};

use crate::{api::MemoryApi, service::ApiService};

/// A server of an API; it stops when it is dropped. The API and what it stores live on.
#[derive(Debug)]
pub struct Server {
    api: MemoryApi,
    address: SocketAddr,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn on_loopback(api: MemoryApi) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Self::on(api, listener)
    }

    pub(crate) fn on(api: MemoryApi, listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let running = Some(run(api.service(), listener));
        Ok(Self { api, address, running })
    }

    /// The API that it serves.
    pub fn api(&self) -> &MemoryApi {
        &self.api
    }

    /// Where it listens, or did until it was stopped.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A kubeconfig, as YAML, whose only context is this server.
    pub fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\n\
             kind: Config\n\
             clusters:\n\
             - name: memory\n  \
               cluster:\n    \
                 server: {}\n\
             users:\n\
             - name: memory\n  \
               user: {{}}\n\
             contexts:\n\
             - name: memory\n  \
               context:\n    \
                 cluster: memory\n    \
                 user: memory\n    \
                 namespace: default\n\
             current-context: memory\n",
            self.url(),
        )
    }

    /// Closes all connections and refuses new ones: the API server is away.
    pub async fn stop(&mut self) {
        if let Some(Running { stop, task }) = self.running.take() {
            // Where it has ended already, there is nothing to stop.
            let _ = stop.send(());
            let _ = task.await;
        }
    }

    /// Listens again, on the same port.
    ///
    /// # Errors
    /// Another process has taken the port meanwhile.
    pub async fn start(&mut self) -> io::Result<()> {
        if self.running.is_none() {
            let listener = TcpListener::bind(self.address).await?;
            self.running = Some(run(self.api.service(), listener));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.task.abort();
        }
    }
}

fn run(service: ApiService, listener: TcpListener) -> Running {
    let (stop, stopped) = oneshot::channel();
    Running { stop, task: tokio::spawn(accept(service, listener, stopped)) }
}

/// Serves every connection until it is told to stop, then closes them all.
async fn accept(service: ApiService, listener: TcpListener, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(service.clone(), stream));
                }
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn serve(service: ApiService, stream: TcpStream) {
    // Watch events are small and urgent.
    let _ = stream.set_nodelay(true);
    let builder = Builder::new(TokioExecutor::new());
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    // A connection that fails concerns its client alone.
    let _ = connection.await;
}
