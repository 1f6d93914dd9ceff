//! What a member waits for.

use std::sync::mpsc::SyncSender;

use velodrome_dataflows::{Ban, EventTime};

use super::control::Received;
use super::view::Report;
use crate::kinesis::ShardReport;

/// The result of a change of bans: the time from which on all answers have it.
pub(super) type Changed = Result<EventTime, String>;

/// The result of a switch of rules.
pub(super) type Switched = Result<(), String>;

/// What a member waits for.
#[derive(Debug)]
pub(super) enum Event {
    /// What arrived from the coordinator, on the connection with this number.
    Received(u64, Received),
    /// The generation has caught up on this node.
    CaughtUp(u64),
    /// The generation has ended on this node, for this reason.
    Ended { generation: u64, reason: String, is_consequence: bool },
    /// A tick with events ended at this time.
    Tick(u64),
    /// Something is new about the shards that this node reads.
    Shards(ShardReport),
    /// What this node reports of itself.
    Report(Report),
    /// The bans shall change.
    Change(Ban, SyncSender<Changed>),
    /// The rules, in their canonical form, shall be active.
    Switch { rules: String, is_forced: bool, reply: SyncSender<Switched> },
    /// The node stops.
    Stop,
}

/// Who waits for the coordinator's reply.
#[derive(Debug)]
pub(super) enum Reply {
    Changed(SyncSender<Changed>),
    Switched(SyncSender<Switched>),
}

impl From<SyncSender<Changed>> for Reply {
    fn from(reply: SyncSender<Changed>) -> Self {
        Self::Changed(reply)
    }
}

impl From<SyncSender<Switched>> for Reply {
    fn from(reply: SyncSender<Switched>) -> Self {
        Self::Switched(reply)
    }
}
