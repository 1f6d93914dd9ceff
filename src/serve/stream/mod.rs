//! `GET /v1/stream`: topics as server-sent events, a snapshot first and then deltas.
//!
//! ```text
//! live state ──► hub: a change tracker per topic ──► broker: a frame ring per topic ──► subscriptions
//! ```
//!
//! After each tick the hub builds one frame for each topic that changed. All clients of a topic
//! share the frame's bytes. A client is a cursor into the frame rings, not a queue. A slow client, or
//! one that reconnects, gets the frames after its cursor, or a snapshot if a ring has already dropped
//! some of them. So a stalled client costs nothing and delays no other client. The snapshots and deltas
//! that a client has received add up to the live state at the time of its newest frame.
//!
//! A stream never fails for a reason that passes, because `EventSource` never reconnects after a status other than 200. Until
//! the service has results, streams are open and silent: the hub does not run yet. Over a bound a stream ends at
//! once (`passing_refusals`).

mod broker;
mod change_tracker;
mod event_id;
mod event_stream;
mod frame;
mod frame_ring;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod get;
mod hub;
mod message;
mod payload;
mod stale_notice;
mod stats_meter;
mod streams;
mod subscription;
#[cfg(test)]
mod tests;
mod topic;
mod topic_publisher;
mod topic_state;
mod trackers;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use axum::extract::FromRef;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) use broker::Broker;
pub(super) use event_stream::{CONTENT_TYPE, is_accepted};
pub(super) use get::PATH;
pub(super) use hub::Hub;
pub(super) use streams::Streams;
pub(super) use topic::Topic;

/// The route, for a router whose state contains [`Streams`].
pub(super) fn routes<S>() -> OpenApiRouter<S>
where
    Streams: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    OpenApiRouter::new().routes(routes!(get::stream))
}

/// Runs `publish`, which publishes frames to `broker`, until `stop` is true or its sender is dropped. Then all
/// streams end.
pub(super) async fn run(
    publish: impl Future<Output = ()>,
    broker: Arc<Broker>,
    mut stop: watch::Receiver<bool>,
) {
    tokio::select! {
        () = publish => {}
        _ = stop.wait_for(|is_stopping| *is_stopping) => {}
    }
    broker.close();
}

/// A number that differs in each run of the service, for [`Broker::new`].
pub(super) fn random_epoch() -> u64 {
    // The keys of `RandomState` come from the system's random number generator.
    RandomState::new().hash_one(0)
}
