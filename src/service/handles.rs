//! What the HTTP server and the background tasks have in common.

use crate::cluster::Status;
use crate::dead_letters::DeadLetterQueue;
use crate::health::Health;
use crate::publish::HistoryObjects;
use crate::rebuild_requests::RebuildRequests;

/// ServiceHandles that the HTTP server and the background tasks share.
#[derive(Clone)]
pub(super) struct ServiceHandles {
    pub(super) health: Health,
    pub(super) dead_letters: DeadLetterQueue,
    /// The published history objects.
    pub(super) objects: HistoryObjects,
    pub(super) rebuilds: RebuildRequests,
    /// The state of the cluster that the service is a node of, if any.
    pub(super) cluster: Option<Status>,
}
