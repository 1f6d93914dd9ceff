//! What connects a node of a cluster to the others while it runs.

use std::sync::Arc;

use crate::cluster::Announcements;
use crate::kinesis::NodeSource;

/// What connects a node of a cluster to the others.
pub(super) struct NodeLinks {
    pub(super) announcements: Announcements,
    /// The stream whose shards it reads, if there is one.
    pub(super) source: Option<Arc<NodeSource>>,
}
