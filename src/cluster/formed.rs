//! A generation that the coordinator has formed, and who requested it.

use std::collections::BTreeSet;

use super::message::Plan;

/// A generation that was formed.
#[derive(Debug)]
pub(super) struct Formed {
    pub(super) plan: Plan,
    /// The nodes on which it has caught up, until it answers reads.
    pub(super) caught_up: BTreeSet<usize>,
    /// The generation that it replaces once it answers reads, on each node at its own moment.
    pub(super) replaces: Option<u64>,
}

/// Who requested a switch of rules: the position of a node, and the number of the request there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SwitchRequest {
    pub(super) requester: usize,
    pub(super) id: u64,
}
