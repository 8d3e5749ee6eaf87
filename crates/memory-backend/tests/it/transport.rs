//! Both transports: encodings, headers, limits, what is refused.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use memory_backend::{Backend, Code, Outcome, Protocol};
use prost::Message as _;
use tonic::codec::CompressionEncoding;

use crate::message::{STATE, gauge, message, point, ready};
use crate::send::{LONG, export, grpc, post, post_message, send};

#[tokio::test]
async fn a_grpc_request_is_recorded_with_its_metadata_and_points() {
    let backend = Backend::builder().start().await.unwrap();
    let mut request = tonic::Request::new(ready(1_000));
    request.metadata_mut().insert("x-token", "secret".parse().unwrap());
    grpc(&backend).await.export(request).await.unwrap();

    let request = &backend.requests()[0];
    assert_eq!(request.protocol, Protocol::Grpc);
    assert_eq!(request.header("x-token"), Some("secret"));
    assert_eq!(request.encoding, "identity");
    assert_eq!(request.body, ready(1_000).encode_to_vec());
    assert_eq!(request.wire_size, request.uncompressed_size() + 5);
    assert_eq!(request.outcome, Outcome::Accepted);
    let point = &request.points[0];
    assert_eq!((point.name.as_str(), point.unit.as_str()), (STATE, "{module}"));
    assert_eq!(point.description, "About kyma.module.status.state.");
    assert_eq!((point.scope.name.as_str(), point.scope.version.as_str()), ("scope", "1"));
    assert_eq!(point.resource["k8s.resource.name"], "default");
    assert_eq!(point.attribute("state"), Some("Ready"));
    assert_eq!(point.time_unix_ms(), 1_000);
    assert_eq!(point.value.unwrap(), 1);
}

#[tokio::test]
async fn both_transports_take_gzip_and_zstd_and_share_one_port() {
    let backend = Backend::builder().start().await.unwrap();
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
        grpc(&backend).await.send_compressed(encoding).export(ready(1)).await.unwrap();
    }
    let plain = ready(1).encode_to_vec();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &plain).unwrap();
    let bodies = [
        ("gzip", gzip.finish().unwrap()),
        ("zstd", zstd::encode_all(&plain[..], 0).unwrap()),
        ("identity", plain),
    ];
    for (encoding, body) in bodies {
        let answer = post(&backend, &[("content-encoding", encoding)], body).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.body().len()), (200, 0));
    }
    let seen: Vec<String> =
        backend.requests().iter().map(|it| format!("{} {}", it.protocol, it.encoding)).collect();
    assert_eq!(seen, ["grpc gzip", "grpc zstd", "http gzip", "http zstd", "http identity"]);
    assert_eq!(backend.points().len(), 5);
    assert!(backend.requests().iter().all(|request| request.body == ready(1).encode_to_vec()));
}

#[tokio::test]
async fn a_message_above_4_mib_is_refused_however_small_it_is_on_the_wire() {
    let backend = Backend::builder().start().await.unwrap();
    let huge = message(vec![gauge(&"x".repeat(4 * 1024 * 1024), vec![point(&[], Some(1), 1)])]);

    let status = export(&backend, huge.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let status = grpc(&backend)
        .await
        .send_compressed(CompressionEncoding::Gzip)
        .export(huge.clone())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.message(), "the message is larger than 4194304 bytes");
    assert_eq!(post_message(&backend, &huge).await.unwrap().status(), 413);

    assert_eq!(backend.requests().len(), 3);
    assert!(backend.requests()[0].wire_size > 4 * 1024 * 1024);
    assert!(backend.points().is_empty());
}

#[tokio::test]
async fn what_is_not_for_this_service_is_refused_with_its_reason() {
    let backend = Backend::builder().path("/custom").start().await.unwrap();
    let requests = [
        Request::post("/custom").header("content-type", "application/x-protobuf"),
        Request::post("/v1/traces").header("content-type", "application/x-protobuf"),
        Request::get("/v1/metrics"),
        Request::post("/v1/metrics").header("content-type", "application/json"),
        Request::post("/v1/metrics")
            .header("content-type", "application/x-protobuf")
            .header("content-encoding", "br"),
        Request::post("/v1/metrics")
            .header("content-type", "application/x-protobuf")
            .header("content-encoding", "gzip"),
    ];
    let mut answers = Vec::new();
    for request in requests {
        let request = request.body(Full::new(Bytes::from_static(b""))).unwrap();
        let title = format!("{} {}", request.method(), request.uri());
        let answer = send(&backend, request).await.unwrap();
        let outcome = backend.requests().last().unwrap().outcome.clone();
        answers.push(format!("{title}: {} {outcome:?}", answer.status()));
    }
    let answer = post(&backend, &[], b"\xff\xff".to_vec()).await.unwrap();
    answers.push(format!("not protobuf: {} {:?}", answer.status(), backend.requests()[6].outcome));
    insta::assert_snapshot!(answers.join("\n"));
}

#[tokio::test]
async fn a_required_header_can_change_while_it_runs() {
    let backend = Backend::builder().start().await.unwrap();
    backend.require_header("authorization", "Bearer old");
    let body = ready(1).encode_to_vec();
    let old = [("authorization", "Bearer old")];
    assert_eq!(post(&backend, &old, body.clone()).await.unwrap().status(), 200);

    backend.require_header("authorization", "Bearer new");
    assert_eq!(post(&backend, &old, body).await.unwrap().status(), 401);
    let status = export(&backend, ready(1)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_subscriber_gets_every_request_and_the_end() {
    let backend = Backend::builder().start().await.unwrap();
    export(&backend, ready(1)).await.unwrap();
    let mut arriving = backend.subscribe();
    export(&backend, ready(2)).await.unwrap();
    post_message(&backend, &ready(3)).await.unwrap();

    assert_eq!(arriving.next().await.unwrap().number, 2);
    assert_eq!(arriving.next().await.unwrap().number, 3);
    drop(backend);
    let end = tokio::time::timeout(LONG, arriving.next()).await.unwrap();
    assert!(end.is_none());
}

#[tokio::test]
async fn many_long_headers_arrive_over_both_transports() {
    let backend = Backend::builder().start().await.unwrap();
    let names: Vec<String> = (0..64).map(|index| format!("x-{index}")).collect();
    let long = "v".repeat(4096);
    let mut request = tonic::Request::new(ready(1));
    for name in &names {
        let name = tonic::metadata::AsciiMetadataKey::from_bytes(name.as_bytes()).unwrap();
        request.metadata_mut().insert(name, long.parse().unwrap());
    }
    grpc(&backend).await.export(request).await.unwrap();
    let headers: Vec<_> = names.iter().map(|name| (name.as_str(), long.as_str())).collect();
    assert_eq!(post(&backend, &headers, ready(1).encode_to_vec()).await.unwrap().status(), 200);
    assert!(backend.requests().iter().all(|request| request.header("x-63") == Some(&long)));
}
