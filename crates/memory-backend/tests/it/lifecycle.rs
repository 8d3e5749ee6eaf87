//! Stop, restart, waiting.

use std::time::Duration;

use memory_backend::{Backend, StartError};
use tokio::net::TcpStream;

use crate::message::{message, ready, state};
use crate::send::{LONG, export, grpc, post_message};

#[tokio::test]
async fn a_stopped_backend_refuses_connections_and_comes_back_on_the_same_port() {
    let backend = Backend::builder().start().await.unwrap();
    let mut client = grpc(&backend).await;
    client.export(ready(1)).await.unwrap();

    backend.stop().await;
    let refused = TcpStream::connect(backend.address()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(client.export(ready(2)).await.is_err());

    let endpoint = backend.endpoint();
    backend.restart().await.unwrap();
    assert_eq!(backend.endpoint(), endpoint);
    client.export(ready(3)).await.unwrap();
    assert_eq!(backend.requests().len(), 2, "what came before the stop is remembered");
}

#[tokio::test]
async fn stop_closes_an_open_connection() {
    let backend = Backend::builder().start().await.unwrap();
    let mut stream = TcpStream::connect(backend.address()).await.unwrap();
    backend.stop().await;
    // A connection that was not accepted yet is reset, an accepted one ends.
    let read = tokio::io::AsyncReadExt::read(&mut stream, &mut [0]).await;
    assert!(matches!(read, Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let error = Backend::builder().port(port).start().await.unwrap_err();
    assert!(matches!(error, StartError::Listen { .. }));
    assert_eq!(error.to_string(), format!("listen on port {port} of 127.0.0.1"));
}

#[tokio::test]
async fn waiting_wakes_at_an_arrival() {
    let backend = Backend::builder().start().await.unwrap();
    let (seen, sent) = tokio::join!(backend.wait_for(|view| view.requests().len() == 2, LONG), async {
        export(&backend, ready(1)).await.unwrap();
        post_message(&backend, &ready(2)).await
    });
    sent.unwrap();
    assert_eq!(seen.unwrap().live(), [r#"kyma.module.status.state{name="nats",state="Ready"} 1"#]);
}

#[tokio::test]
async fn waiting_in_vain_says_what_there_is_instead() {
    let backend = Backend::builder().start().await.unwrap();
    export(&backend, ready(7)).await.unwrap();
    export(&backend, ready(5)).await.unwrap();
    let error = backend.wait_for(|view| view.live().len() == 2, Duration::ZERO).await.unwrap_err();
    insta::assert_snapshot!(format!("{error:?}"));
}

#[tokio::test]
async fn a_backend_that_forgets_starts_with_nothing() {
    let backend = Backend::builder().start().await.unwrap();
    export(&backend, ready(7)).await.unwrap();
    backend.forget();
    assert!(backend.requests().is_empty());
    export(&backend, ready(5)).await.unwrap();
    assert!(backend.view().violations().is_empty());
}

#[tokio::test]
async fn a_backend_told_to_remember_little_goes_on_counting_and_shows_everything() {
    let backend = Backend::builder().remember(1).start().await.unwrap();
    for ms in 1..=3 {
        export(&backend, message(vec![state(&format!("module-{ms}"), "Ready", Some(1), ms)])).await.unwrap();
    }
    let view = backend.view();
    assert_eq!((view.total_requests(), view.requests().len(), view.live().len()), (3, 1, 3));
    assert_eq!(view.requests()[0].number, 3);
}
