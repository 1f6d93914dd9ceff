//! The messages between nodes.

use serde::{Deserialize, Serialize};
use velodrome_dataflows::{Ban, EventTime, RacerId};

use super::node_id::NodeId;
use super::sequences::Sequences;
use super::view::{NodeView, Report};
use crate::engine::Settings;
use crate::kinesis::{ShardReport, SourceState};
use crate::mesh::{Connection, WireMessage};

/// A message between two nodes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Message {
    /// The first message of a connection, from the node that opened it.
    Hello(Hello),
    /// The reply to a hello.
    Accepted,
    /// The reply to a hello, or to `Ready`: the node cannot be part of the cluster for this reason.
    Refused(String),
    /// To the coordinator: the node can be part of a generation.
    Ready(Box<Ready>),
    /// From the coordinator: be part of this generation.
    Form(Plan),
    /// To the coordinator: the generation has caught up on this node.
    CaughtUp { generation: u64 },
    /// From the coordinator: the generation has caught up on all nodes and answers reads.
    Live { generation: u64 },
    /// To the coordinator: the generation has ended on this node, perhaps because others ended it.
    Lost { generation: u64, reason: String, is_consequence: bool },
    /// From the coordinator: end the generation.
    End { generation: u64, reason: String },
    /// A tick with events ended at this time: advance your log. The coordinator passes it on to the others.
    Advance { clock_ms: u64 },
    /// Something is new about the shards that the sender reads. The coordinator passes it on to the others.
    Shards(ShardReport),
    /// To the coordinator: change the bans.
    Change { id: u64, ban: Ban },
    /// From the coordinator: make this change durable.
    Persist { number: u64, ban: Ban },
    /// To the coordinator: the change is durable, or why not.
    Persisted { number: u64, error: Option<String> },
    /// From the coordinator to its own node: apply what is durable to the engine.
    Apply { number: u64 },
    /// From the coordinator's own node: the time from which on all answers have the change.
    Applied { number: u64, result: Result<EventTime, String> },
    /// The reply to `Change`.
    Changed { id: u64, result: Result<EventTime, String> },
    /// To the coordinator: switch to these rules. A forced switch replays the logs even under the same rules.
    Switch { id: u64, rules: String, is_forced: bool },
    /// The reply to `Switch`, when the rules are active or cannot be.
    Switched { id: u64, result: Result<(), String> },
    /// To the coordinator: what the node reports of itself.
    Report(Report),
    /// From the coordinator: what is known of all nodes, in their order.
    View(Vec<NodeView>),
    /// A sign of life, with the time of the sender's log.
    Heartbeat { clock_ms: u64 },
}

/// The start of a connection.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) cluster: String,
    /// The node that opened the connection.
    pub(super) from: NodeId,
    /// The node that it wants to reach.
    pub(super) to: NodeId,
    pub(super) purpose: Purpose,
    /// What must be equal on all nodes.
    pub(super) settings: Settings,
    /// The time of its machine. The clocks of connected nodes follow the fastest, so it is compared before that.
    pub(super) machine_ms: u64,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Purpose {
    /// The control connection to the coordinator.
    Control,
    /// The link of two nodes for a generation.
    Link(u64),
}

/// What a node has when it is ready for a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// The last generation that it was part of; 0 before the first.
    pub generation: u64,
    /// The time up to which its checkpoint is complete; `None` if it has no checkpoint that can be used.
    pub complete: Option<EventTime>,
    /// The time up to which its readers have seen all events.
    pub shown: EventTime,
    /// The time of its log; `None` if that is the time of a stream, which may be long ago on a node that was down.
    pub clock_ms: Option<u64>,
    /// The banned racers, ascending.
    pub bans: Vec<RacerId>,
    /// The canonical form of its rules.
    pub rules: String,
    /// The generation from which on the rules are active; 0 for the rules of its first start.
    pub rules_since: u64,
    /// What it knows of the stream that the cluster reads, if it knows anything.
    pub source: Option<SourceState>,
    /// The newest segments of the logs that it reads: its own, and on the coordinator those of nodes that have left.
    pub logs: Sequences,
    /// What it knows to be archived of all logs.
    pub archived: Sequences,
    /// Whether it continues without what is missing of the logs that it reads.
    pub accept_damage: bool,
}

/// What all nodes of a generation have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The number of the generation, greater than that of any earlier one.
    pub generation: u64,
    /// The least time up to which the checkpoint of a node is complete. `None` if a node has no checkpoint: then all
    /// nodes replay their complete logs, and nobody uses a checkpoint.
    pub complete_from: Option<EventTime>,
    /// The results are those of all events from this time on: the checkpoints are complete up to it or an earlier time.
    pub complete_until: EventTime,
    /// The banned racers, ascending. `None` if the generation replaces one, which has them.
    pub bans: Option<Vec<RacerId>>,
    /// The canonical form of the rules.
    pub rules: String,
    /// The generation from which on the rules are active.
    pub rules_since: u64,
    /// Where the nodes resume reading the stream. `None` if there is none, or if the generation replaces one, which reads
    /// it.
    pub source: Option<SourceState>,
    /// What is known to be archived of all logs.
    pub archived: Sequences,
}

impl WireMessage for Message {
    /// The longest contain rules or bans.
    const BYTES_MAX: u64 = 64 << 20;
}

impl Message {
    /// Replies that the sender cannot be part of the cluster.
    pub(super) fn refuse(connection: &Connection, reason: String) {
        // The other node may be gone already, and then it needs no reason.
        Self::Refused(reason).send(connection).unwrap_or_default();
    }
}
