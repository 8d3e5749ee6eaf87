//! Response bodies.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream::BoxStream};
use http_body::{Body as HttpBody, Frame};

/// The body of a response: a whole document or the lines of a watch.
pub struct Body(BoxStream<'static, Result<Bytes, ConnectionCut>>);

/// The connection ended in the middle of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
// kube-client knows the end of a connection by this text, which a chunked body over HTTP has too.
#[error("unexpected EOF during chunk size line")]
#[non_exhaustive]
pub struct ConnectionCut;

impl Body {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::stream(futures::stream::once(async { Ok(bytes) }))
    }

    pub(crate) fn stream(chunks: impl Stream<Item = Result<Bytes, ConnectionCut>> + Send + 'static) -> Self {
        Self(chunks.boxed())
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = ConnectionCut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ConnectionCut>>> {
        self.0.poll_next_unpin(cx).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}
