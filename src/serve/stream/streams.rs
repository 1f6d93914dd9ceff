//! Opening a stream, shared by `GET /v1/stream` and the Firebase endpoints.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;

use super::broker::Broker;
use super::subscription::Subscription;
use super::topic::Topic;
use crate::serve::error::ApiError;
use crate::serve::limiter::Limiter;
use crate::serve::permissions::Permissions;

/// Opens streams. Clones share the broker and the limits.
#[derive(Clone)]
pub(in crate::serve) struct Streams {
    pub(in crate::serve) broker: Arc<Broker>,
    pub(in crate::serve) limiter: Arc<Limiter>,
}

impl Streams {
    /// A response that streams `topics` to a client at `peer`, starting after the frame with the id
    /// `last_id`.
    ///
    /// # Errors
    /// 403 if `permissions` do not include a topic, 429 if the client has too many streams, 503 if there
    /// are too many streams or topics, or the service is stopping.
    pub(in crate::serve) fn open(
        &self,
        peer: IpAddr,
        permissions: &Permissions,
        topics: Vec<Topic>,
        last_id: Option<&str>,
    ) -> Result<Response, ApiError> {
        topics.iter().try_for_each(|topic| topic.authorize(permissions))?;
        let slot = self.limiter.acquire_stream(peer)?;
        let broker = Arc::clone(&self.broker);
        let subscription = Subscription::new(broker, topics, last_id, permissions.expires())?;
        // The slot is released when the response ends.
        let chunks = unfold((subscription, slot), async |(mut subscription, slot)| {
            let chunk = subscription.next_chunk().await?;
            Some((Ok::<_, Infallible>(chunk), (subscription, slot)))
        });
        let headers = [
            (header::CONTENT_TYPE, "text/event-stream"),
            // Otherwise nginx buffers the frames.
            (header::HeaderName::from_static("x-accel-buffering"), "no"),
        ];
        Ok((headers, Body::from_stream(chunks)).into_response())
    }
}
