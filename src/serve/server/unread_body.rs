//! What a request's handler has not read of its body.
//!
//! Over HTTP/1.1 the next request begins after the body. If its rest is not read, the connection cannot be
//! used again, and a client that still sends may never see the response. Some clients of HTTP/2 do not
//! either.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::HttpBody;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::timeout;

use super::activity::Activity;

/// The number of bytes that are read and discarded: the largest body that any call accepts.
const DISCARDED_BYTES_MAX: usize = 64 << 20;

/// The time for a client to send at least one more byte of a body that is discarded. nginx has the same
/// (lingering_timeout).
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The time that a connection stays open after the response that closes it, so that the client sees the
/// response although it still sends.
const LINGER: Duration = Duration::from_secs(10);

/// The body of a request, for its handler. Dropping it saves what is left of it.
pub(super) struct RequestBody {
    /// `None` at the end.
    body: Option<Incoming>,
    is_begun: bool,
    unread: UnreadBody,
    activity: Arc<Activity>,
    request: u64,
}

/// What is left of a body, once its handler has dropped it.
#[derive(Clone, Default)]
pub(super) struct UnreadBody(Arc<Mutex<Option<Rest>>>);

struct Rest {
    body: Incoming,
    /// Whether the handler has read from the body, or the client sends it without being asked to.
    is_sent: bool,
}

impl RequestBody {
    /// The body of the request `request` of a connection.
    pub(super) fn new(
        body: Incoming,
        headers: &HeaderMap,
        activity: Arc<Activity>,
        request: u64,
    ) -> (Self, UnreadBody) {
        let unread = UnreadBody::default();
        let is_begun = !headers.contains_key(header::EXPECT);
        (Self { body: Some(body), is_begun, unread: unread.clone(), activity, request }, unread)
    }

    fn end(&mut self) {
        if self.body.take().is_some() {
            self.activity.end_body(self.request);
        }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.is_begun = true;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(context);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.end();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(body) = self.body.take() else { return };
        if body.is_end_stream() {
            self.activity.end_body(self.request);
        } else {
            self.unread.lock().replace(Rest { body, is_sent: self.is_begun });
        }
    }
}

impl UnreadBody {
    fn lock(&self) -> MutexGuard<'_, Option<Rest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads and discards the rest of the body, within `time_limit`. Returns whether the connection can be
    /// used again; otherwise the response, which has this `status`, must close it.
    pub(super) async fn discard(&self, status: StatusCode, time_limit: Duration) -> bool {
        let Some(Rest { mut body, is_sent }) = self.lock().take() else { return true };
        let length = usize::try_from(body.size_hint().lower());
        let is_short = length.is_ok_and(|length| length <= DISCARDED_BYTES_MAX);
        let is_late = status == StatusCode::REQUEST_TIMEOUT;
        if is_sent && is_short && !is_late && discard(&mut body, time_limit).await {
            return true;
        }
        tokio::spawn(async move { discard(&mut body, LINGER).await });
        false
    }
}

/// Reads and discards `body`. Returns whether it ended within the limits of time and size.
async fn discard(body: &mut Incoming, time_limit: Duration) -> bool {
    let mut left = DISCARDED_BYTES_MAX;
    let discarding = async {
        loop {
            match timeout(PAUSE_MAX, body.frame()).await {
                Ok(None) => return true,
                Ok(Some(Ok(frame))) => {
                    let length = frame.data_ref().map_or(0, Bytes::len);
                    let Some(rest) = left.checked_sub(length) else { return false };
                    left = rest;
                }
                Ok(Some(Err(_))) | Err(_) => return false,
            }
        }
    };
    timeout(time_limit, discarding).await.unwrap_or(false)
}
