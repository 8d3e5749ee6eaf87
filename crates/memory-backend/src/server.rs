//! Listening, connections, and their end.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::exchange::{Connection, answer};
use crate::shared::Shared;
use crate::tls;

/// How much a client may send before it waits for us to have read it.
const WINDOW: u32 = 8 * 1024 * 1024;

/// A port of this machine's loopback interface that stays ours while nobody listens on it.
#[derive(Debug)]
pub(crate) struct Port {
    /// Bound, never listening: connections are refused, and nobody else gets the port.
    _held: TcpSocket,
    address: SocketAddr,
}

impl Port {
    pub(crate) fn hold(port: u16) -> io::Result<Self> {
        let held = socket((Ipv4Addr::LOCALHOST, port).into())?;
        let address = held.local_addr()?;
        Ok(Self { _held: held, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn listen(&self) -> io::Result<TcpListener> {
        socket(self.address)?.listen(1024)
    }
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    #[cfg(unix)]
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// A server that listens; dropped, it stops soon after.
#[derive(Debug)]
pub(crate) struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: tokio::spawn(accept(listener, tls, shared, stopped)) }
    }

    /// Closes the listener and all connections; when this returns, they are closed.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        // The task fails only if it panicked; then its sockets are closed just as well.
        let _ = self.task.await;
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                // What fails here is a connection that is gone already.
                if let Ok((stream, peer)) = accepted {
                    connections.spawn(handle(stream, peer, tls.clone(), Arc::clone(&shared)));
                }
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn handle(stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    // Without it the small writes of HTTP/2 wait for each other; measurements would show that.
    let _ = stream.set_nodelay(true);
    let number = shared.connected();
    let connection = Connection { number, peer, client_subject: None, close: Notify::new() };
    let Some(tls) = tls else {
        return serve(stream, connection, shared).await;
    };
    match tls.accept(stream).await {
        Ok(stream) => {
            let certificates = stream.get_ref().1.peer_certificates();
            let client_subject = certificates.and_then(tls::subject);
            serve(stream, Connection { client_subject, ..connection }, shared).await;
        }
        Err(error) => shared.handshake_failed(&error),
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    connection: Connection,
    shared: Arc<Shared>,
) {
    let connection = Arc::new(connection);
    let of_service = Arc::clone(&connection);
    let service = service_fn(move |request| {
        let answered = answer(Arc::clone(&shared), Arc::clone(&of_service), request);
        async { Ok::<_, Infallible>(answered.await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // As wide as other receivers: 64 headers of 4 KiB each, and a whole message without a pause.
    builder
        .http2()
        .max_header_list_size(1024 * 1024)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    tokio::select! {
        // A client that goes away is no error of the backend.
        _ = builder.serve_connection(TokioIo::new(stream), service) => {}
        () = connection.close.notified() => {}
    }
}
