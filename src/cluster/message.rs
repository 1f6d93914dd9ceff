//! The messages between nodes, each a line of JSON.

use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use velodrome_dataflows::{Ban, EventTime, RacerId};

use super::node_id::NodeId;
use super::view::{NodeView, Report};
use crate::engine::Settings;
use crate::mesh::Connection;

/// Limit of the first message of a connection.
const HELLO_BYTES_MAX: u64 = 64 << 10;

/// Limit of a later message. The longest contain rules or bans.
const MESSAGE_BYTES_MAX: u64 = 64 << 20;

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
    Ready(Ready),
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
    /// The time of its log.
    pub clock_ms: u64,
    /// The banned racers, ascending.
    pub bans: Vec<RacerId>,
    /// The canonical form of its rules.
    pub rules: String,
    /// The generation from which on the rules are active; 0 for the rules of its first start.
    pub rules_since: u64,
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
}

impl Message {
    /// Writes the message to `connection`.
    pub(super) fn send(&self, mut connection: &Connection) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        connection.write_all(&line)
    }

    /// Replies that the sender cannot be part of the cluster.
    pub(super) fn refuse(connection: &Connection, reason: String) {
        // The other node may be gone already, and then it needs no reason.
        Self::Refused(reason).send(connection).unwrap_or_default();
    }

    /// Reads the next message, or `None` at the end of the connection.
    pub(super) fn receive(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        Self::receive_within(reader, MESSAGE_BYTES_MAX)
    }

    /// Reads the first message, which must be complete at `deadline`. Later bytes remain unread.
    pub(super) fn receive_first(connection: &Connection, deadline: Instant) -> io::Result<Self> {
        // A larger buffer would consume the bytes that follow, which are read elsewhere.
        let mut reader = BufReader::with_capacity(1, UntilDeadline { connection, deadline });
        let message = Self::receive_within(&mut reader, HELLO_BYTES_MAX)?;
        connection.set_read_timeout(None)?;
        message.ok_or_else(|| Error::new(ErrorKind::UnexpectedEof, "the connection was closed"))
    }

    fn receive_within(reader: &mut impl BufRead, bytes_max: u64) -> io::Result<Option<Self>> {
        let mut line = Vec::new();
        if reader.take(bytes_max).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if !line.ends_with(b"\n") {
            return Err(Error::new(ErrorKind::InvalidData, "a message was cut off or too long"));
        }
        Ok(Some(serde_json::from_slice(&line)?))
    }
}

/// Reads a connection until a deadline, however slowly its bytes arrive.
struct UntilDeadline<'a> {
    connection: &'a Connection,
    deadline: Instant,
}

impl Read for UntilDeadline<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::new(ErrorKind::TimedOut, "no reply in time"));
        }
        self.connection.set_read_timeout(Some(left))?;
        (&mut &*self.connection).read(bytes)
    }
}
