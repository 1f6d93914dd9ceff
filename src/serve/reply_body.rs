//! The body of a reply that holds permits until the client has read it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::HttpBody;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// The number of bytes in a frame: what the connection buffers before it waits for the client.
const FRAME_BYTES: usize = 32 << 10;

/// A body that holds `permits` until its last frame is sent. Without this, a client that reads none of
/// its replies could make the service hold any number of them in memory.
pub(super) struct ReplyBody<P> {
    rest: Bytes,
    _permits: P,
}

impl<P> ReplyBody<P> {
    pub(super) fn new(body: Bytes, permits: P) -> Self {
        Self { rest: body, _permits: permits }
    }
}

impl<P: Unpin> HttpBody for ReplyBody<P> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.rest.len().min(FRAME_BYTES);
        let chunk = self.rest.split_to(length);
        Poll::Ready((!chunk.is_empty()).then(|| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn sends_all_bytes_in_order_and_holds_the_permits_until_the_last() {
        let bytes: Vec<u8> = (0..3 * FRAME_BYTES + 1).map(|at| (at % 251) as u8).collect();
        let permit = Arc::new(());
        let mut body = ReplyBody::new(bytes.clone().into(), Arc::clone(&permit));
        assert_eq!(body.size_hint().exact(), Some(bytes.len() as u64));
        let mut received = Vec::new();
        while let Some(frame) = body.frame().await {
            received.extend_from_slice(&frame.unwrap().into_data().unwrap());
            assert_eq!(Arc::strong_count(&permit), 2);
        }
        assert_eq!(received, bytes);
        drop(body);
        assert_eq!(Arc::strong_count(&permit), 1);
    }
}
