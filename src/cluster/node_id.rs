//! The numbers of nodes.

/// The number of a node. It stays the same when other nodes are added or removed, because the node's log
/// is named after it.
pub type NodeId = usize;

/// The node that forms the generations of a cluster.
pub const COORDINATOR: NodeId = 0;

/// The folder of a node in the archive of its cluster.
pub fn archive_folder(node: NodeId) -> String {
    format!("node-{node}")
}

/// The node of a folder in the archive of a cluster, which may end with a slash. `None` for another folder.
pub fn parse_archive_folder(folder: &str) -> Option<NodeId> {
    folder.trim_end_matches('/').strip_prefix("node-")?.parse().ok()
}
