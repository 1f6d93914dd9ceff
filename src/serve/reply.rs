//! A reply's body that counts as long as the client has not taken it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::HttpBody;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// How much is handed to the connection at a time: what it buffers before it waits for the client.
const PIECE_BYTES: usize = 32 << 10;

/// A body that keeps `H` until its last piece is on its way. A client that takes none of its replies
/// could otherwise have any number of them waiting.
pub(super) struct Paced<H> {
    rest: Bytes,
    _held: H,
}

impl<H> Paced<H> {
    pub(super) fn new(body: Bytes, held: H) -> Self {
        Self { rest: body, _held: held }
    }
}

impl<H: Unpin> HttpBody for Paced<H> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(length);
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
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
    async fn all_pieces_come_in_order_and_what_is_held_is_held_until_the_last() {
        let whole: Vec<u8> = (0..3 * PIECE_BYTES + 1).map(|at| (at % 251) as u8).collect();
        let held = Arc::new(());
        let mut body = Paced::new(whole.clone().into(), Arc::clone(&held));
        assert_eq!(body.size_hint().exact(), Some(whole.len() as u64));
        let mut taken = Vec::new();
        while let Some(piece) = body.frame().await {
            taken.extend_from_slice(&piece.unwrap().into_data().unwrap());
            assert_eq!(Arc::strong_count(&held), 2);
        }
        assert_eq!(taken, whole);
        drop(body);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
