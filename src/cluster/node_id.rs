//! The numbers of nodes.

/// The number of a node. It stays the same when other nodes are added or removed, because the node's log
/// is named after it.
pub type NodeId = usize;

/// The node that forms the generations of a cluster.
pub const COORDINATOR: NodeId = 0;
