//! A generation that runs on a node.

use std::sync::mpsc::SyncSender;
use std::time::Instant;

use crate::mesh::Fate;

/// A generation that runs on this node.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) generation: u64,
    pub(super) began: Instant,
    /// Its rules, in their canonical form, and the generation from which on they are active.
    pub(super) rules: String,
    pub(super) rules_since: u64,
    pub(super) fate: Fate,
    /// Why the coordinator has ended it. A loss ends links to other nodes too, and what a link reports is not the cause.
    pub(super) cause: Option<String>,
    /// Lets it answer reads.
    pub(super) live: SyncSender<()>,
}
