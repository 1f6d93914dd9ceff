//! What the tasks of a source share.

use metrics::{Gauge, gauge};
use tokio::sync::watch;

use super::config::Sinks;
use super::failures::Failures;
use super::progress::Progress;
use super::stream::Stream;
use crate::log::Clock;

/// The state and handles that all tasks of a source share.
pub(super) struct Context {
    pub(super) stream: Stream,
    /// When the stream was created, in ms since the epoch.
    pub(super) created_ms: u64,
    pub(super) progress: Progress,
    pub(super) failures: Failures,
    pub(super) sinks: Sinks,
    /// The wall clock.
    pub(super) wall: Clock,
    /// Becomes true when the source is to stop.
    pub(super) stop: watch::Receiver<bool>,
}

/// The metric of a shard's lag: the age of the records that are being read, or 0 once the shard is no
/// longer read.
pub(super) fn lag_gauge(shard: &str) -> Gauge {
    gauge!("velodrome_source_behind_seconds", "shard" => shard.to_owned())
}
