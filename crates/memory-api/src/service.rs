//! The API as a tower service.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt as _;

use crate::{
    api::MemoryApi,
    body::Body,
    respond::{Disconnected, respond},
};

/// The API as a service of HTTP requests, for any kind of body.
#[derive(Debug, Clone)]
pub struct ApiService {
    api: MemoryApi,
}

impl ApiService {
    pub(crate) fn new(api: MemoryApi) -> Self {
        Self { api }
    }
}

impl<B> tower::Service<Request<B>> for ApiService
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Send,
{
    type Response = Response<Body>;
    type Error = Disconnected;
    type Future = BoxFuture<'static, Result<Response<Body>, Disconnected>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Disconnected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let api = self.api.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            // A body that breaks off is a client that is gone.
            let body = body.collect().await.map_err(|_| Disconnected)?.to_bytes();
            respond(&api, &head, &body).await
        })
    }
}
