//! What a node of a cluster announces to the others about the shards that it reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::positions::ShardPositions;

/// What is new about the shards of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardReport {
    /// Whether the node has just started to read. It knows nothing of the other nodes, so they report all their
    /// shards again.
    pub is_start: bool,
    /// The progress of shards since the previous report.
    pub progress: BTreeMap<String, ShardProgress>,
    /// The positions up to which its archive has all records, if they have changed.
    pub archived: ShardPositions,
}

/// The progress of a shard, in the service's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardProgress {
    /// No record that arrived before this time will follow; 0 while that is unknown.
    pub next_ms: u64,
    /// If the shard is read to its end: the time of the most recent poll.
    pub end_ms: Option<u64>,
    /// Whether the shard is read to its end and closed, or was dropped by the stream. Its children may be read.
    pub is_finished: bool,
}
