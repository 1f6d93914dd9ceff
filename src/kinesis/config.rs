//! The configuration of a source: which stream a service reads, and where its records go.

use std::sync::Arc;

use tokio::sync::watch;
#[cfg(feature = "aws")]
use velodrome_dataflows::Rules;
use velodrome_dataflows::Scoring;

use super::name::StreamName;
use super::start::Start;
use crate::dead_letters::DeadLetterQueue;
use crate::engine::Events;
use crate::log::Log;

/// The name of the file with the positions of a stream in a data directory.
pub const POSITIONS: &str = "positions.json";

/// Which stream a service reads.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// The stream.
    pub stream: StreamName,
    /// Where reading starts the first time.
    pub start: Start,
}

/// Where a source sends its records, and the rules to decode them with.
#[derive(Clone)]
pub struct Sinks {
    /// The log, for accepted events.
    pub log: Log<Events>,
    /// The queue for rejected events.
    pub dead_letters: DeadLetterQueue,
    /// The active rules, updated when they change.
    pub rules: watch::Receiver<Arc<Scoring>>,
}

#[cfg(feature = "aws")]
impl Sinks {
    /// The length of races under the active rules.
    pub(super) fn race_seconds(&self) -> u16 {
        self.rules.borrow().rules().race_seconds
    }

    /// The drift allowed between shards under the active rules.
    pub(super) fn max_drift_ms(&self) -> u64 {
        max_drift_ms(self.rules.borrow().rules())
    }
}

/// How far a shard may be read ahead of the slowest one: half of the grace. This ensures that no ride
/// closes before the samples from a slower shard arrive.
#[cfg(feature = "aws")]
pub(super) fn max_drift_ms(rules: &Rules) -> u64 {
    u64::from(rules.grace_seconds) * 1_000 / 2
}
