//! Opening a stream, shared by `GET /v1/stream` and the Firebase endpoints.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;

use super::broker::Broker;
use super::event_stream::CONTENT_TYPE;
use super::stale_notice::StaleNotice;
use super::subscription::Subscription;
use super::topic::Topic;
use crate::cluster::Status;
use crate::engine::Engine;
use crate::serve::error::ApiError;
use crate::serve::limiter::Limiter;
use crate::serve::permissions::Permissions;

/// The maximum number of projects whose counts a new client can get in one snapshot: about 25 MB, and at
/// most 50 MB with the longest ids.
const PROJECTS_MAX: usize = 250_000;

/// Opens streams. Clones share the broker and the limits.
#[derive(Clone)]
pub(in crate::serve) struct Streams {
    pub(in crate::serve) broker: Arc<Broker>,
    pub(in crate::serve) limiter: Arc<Limiter>,
    pub(in crate::serve) engine: Engine,
    /// The state of the cluster that the service is a node of, if any.
    pub(in crate::serve) cluster: Option<Status>,
}

impl Streams {
    /// A response that streams `topics` to a client at `peer`, starting after the frame with the id
    /// `last_id`.
    ///
    /// # Errors
    /// 403 if `permissions` do not include a topic, 413 for all projects if there are too many, 429 if the
    /// client has too many streams, 503 if there are too many streams or topics, or the service is stopping.
    pub(in crate::serve) fn open(
        &self,
        peer: IpAddr,
        permissions: &Permissions,
        topics: Vec<Topic>,
        last_id: Option<&str>,
    ) -> Result<Response, ApiError> {
        topics.iter().try_for_each(|topic| topic.authorize(permissions))?;
        if topics.iter().any(Topic::has_all_projects) {
            self.check_projects(PROJECTS_MAX)?;
        }
        let slot = self.limiter.acquire_stream(peer)?;
        let broker = Arc::clone(&self.broker);
        // Firebase clients know no such event.
        let cluster = self.cluster.as_ref().filter(|_| topics.iter().all(Topic::has_ids));
        let notice = StaleNotice::new(cluster, &self.engine);
        let (owner, expires) = (permissions.client(peer), permissions.expires());
        let subscription = Subscription::new(broker, owner, topics, last_id, expires, notice)?;
        // The slot is released when the response ends.
        let chunks = unfold((subscription, slot), async |(mut subscription, slot)| {
            let chunk = subscription.next_chunk().await?;
            Some((Ok::<_, Infallible>(chunk), (subscription, slot)))
        });
        let headers = [
            (header::CONTENT_TYPE, CONTENT_TYPE),
            // Otherwise nginx buffers the frames.
            (header::HeaderName::from_static("x-accel-buffering"), "no"),
        ];
        Ok((headers, Body::from_stream(chunks)).into_response())
    }

    /// Ends streams of all projects if there are too many. They may have opened before the service knew its projects.
    pub(in crate::serve) fn recheck_projects(&self) {
        if self.check_projects(PROJECTS_MAX).is_err() {
            self.broker.end_all_projects();
        }
    }

    /// 413 `answer_too_large` if there are more than `max` projects.
    fn check_projects(&self, max: usize) -> Result<(), ApiError> {
        let projects = self.engine.live_state().1.project_list().len();
        if projects <= max {
            return Ok(());
        }
        let message = format!(
            "there are {projects} projects, and a stream of all projects has at most {max}; stream the \
             projects that you show, or read the pages of /v1/projects"
        );
        Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "answer_too_large", message))
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use velodrome_dataflows::ViewCount;

    use super::*;
    use crate::live_state::LiveChange;
    use crate::serve::limits::Limits;
    use crate::serve::reads::fake_engine::FakeEngine;

    #[tokio::test]
    async fn all_projects_are_refused_over_their_maximum() {
        let fake = FakeEngine::new();
        let view = |id: &str| LiveChange::Views(id.into(), ViewCount { views: 1, duration_ms: 0 });
        fake.tick(5_010, vec![view("a"), view("b"), view("c")]);
        let streams = Streams {
            broker: Arc::new(Broker::new(0)),
            limiter: Arc::new(Limiter::new(Limits::default())),
            engine: fake.engine(),
            cluster: None,
        };
        assert!(streams.check_projects(3).is_ok());
        let refused = streams.check_projects(2).unwrap_err().into_response();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
        for (topics, expected) in [("views:*", true), ("views:a,races", false)] {
            let topics = Topic::parse_list(topics).unwrap();
            assert_eq!(topics.iter().any(Topic::has_all_projects), expected, "{topics:?}");
        }
    }
}
