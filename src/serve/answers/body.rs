//! The body of an answer, which holds permits until the client has read it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use metrics::counter;
use tokio::time::Instant;

/// The number of bytes in a frame: what the connection buffers before it waits for the client.
const FRAME_BYTES: usize = 32 << 10;

/// A body that holds `permits` until its last frame is sent. Without this, a client that reads none of
/// its answers could make the service hold any number of them in memory.
pub(in crate::serve) struct AnswerBody<P> {
    body: Body,
    /// What is left of the newest frame of `body`.
    rest: Bytes,
    /// When the connection is closed if the client has not read everything.
    read_by: Option<Instant>,
    _permits: P,
}

impl<P: Send + Unpin + 'static> AnswerBody<P> {
    /// Holds `permits` until the client has read `body`.
    pub(in crate::serve) fn wrap(body: impl Into<Body>, permits: P) -> Body {
        Self::with_deadline(body, None, permits)
    }

    /// Holds `permits` until the client has read `body`, or until `read_by`. Then it fails, which closes
    /// the connection.
    pub(super) fn with_deadline(
        body: impl Into<Body>,
        read_by: Option<Instant>,
        permits: P,
    ) -> Body {
        Body::new(Self { body: body.into(), rest: Bytes::new(), read_by, _permits: permits })
    }
}

impl<P: Unpin> HttpBody for AnswerBody<P> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.read_by.is_some_and(|read_by| read_by <= Instant::now()) {
            counter!("velodrome_answers_cut_off_total").increment(1);
            let error = io::Error::new(io::ErrorKind::TimedOut, "the client reads too slowly");
            return Poll::Ready(Some(Err(axum::Error::new(error))));
        }
        while self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return other,
            }
        }
        let length = self.rest.len().min(FRAME_BYTES);
        let chunk = self.rest.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, mut hint) = (self.rest.len() as u64, self.body.size_hint());
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn sends_all_bytes_in_order_and_holds_the_permits_until_the_last() {
        let bytes: Vec<u8> = (0..3 * FRAME_BYTES + 1).map(|at| (at % 251) as u8).collect();
        let permit = Arc::new(());
        let mut body = AnswerBody::wrap(bytes.clone(), Arc::clone(&permit));
        assert_eq!(body.size_hint().exact(), Some(bytes.len() as u64));
        let mut received = Vec::new();
        while let Some(frame) = body.frame().await {
            received.extend_from_slice(&frame.unwrap().into_data().unwrap());
            assert_eq!(body.size_hint().exact(), Some((bytes.len() - received.len()) as u64));
            assert_eq!(Arc::strong_count(&permit), 2);
        }
        assert_eq!(received, bytes);
        drop(body);
        assert_eq!(Arc::strong_count(&permit), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn fails_at_its_deadline_and_not_before() {
        let read_by = Instant::now() + Duration::from_secs(9);
        let mut body = AnswerBody::with_deadline(vec![0; 3 * FRAME_BYTES], Some(read_by), ());
        assert!(body.frame().await.unwrap().is_ok());
        tokio::time::advance(Duration::from_secs(8)).await;
        assert!(body.frame().await.unwrap().is_ok());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(body.frame().await.unwrap().is_err());
    }
}
