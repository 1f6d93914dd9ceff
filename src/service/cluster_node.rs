//! A node of a cluster: the parts of its service that generations use.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;

use super::rebuild_error::RebuildError;
use super::running_log::RunningLog;
use super::saver::Saver;
use crate::bans::Bans;
use crate::cluster::{Announcements, ClusterConfig, NodeId, Status};
use crate::engine::{FrozenReaders, RunningEngine};
use crate::kinesis::NodeSource;
use crate::lazy_aws::LazyAws;
use crate::log::{Clock, LogFiles};
use crate::store::Location;

/// A node of a cluster, and the parts of its service that generations use.
pub(super) struct ClusterNode {
    pub(super) config: ClusterConfig,
    pub(super) status: Status,
    pub(super) clock: Clock,
    /// The service's engine: without workers while no generation answers reads.
    pub(super) running: Arc<Mutex<RunningEngine>>,
    /// The generation whose workers it has.
    pub(super) live: Mutex<Option<u64>>,
    /// Locked by a generation until it answers reads, or does not catch up.
    pub(super) catching_up: Mutex<()>,
    /// The readers of the service, while no generation answers reads.
    pub(super) frozen: Mutex<Option<FrozenReaders>>,
    pub(super) saver: Arc<Mutex<Saver>>,
    pub(super) checkpoint_every: Duration,
    pub(super) log: RunningLog,
    /// The archive in which each node has a folder, if there is one.
    pub(super) archives: Option<Location>,
    pub(super) lazy_aws: LazyAws,
    pub(super) announcements: Announcements,
    /// The stream whose shards it reads, if there is one.
    pub(super) source: Option<Arc<NodeSource>>,
    pub(super) bans: Bans,
    /// The data directory.
    pub(super) data: PathBuf,
    pub(super) runtime: Handle,
}

impl ClusterNode {
    /// The logs of nodes that have left the cluster, which the coordinator reads in the common archive.
    pub(super) fn former_logs(&self) -> Result<Vec<LogFiles>, RebuildError> {
        let Some(archives) = self.archives.as_ref().filter(|_| self.config.is_coordinator()) else {
            return Ok(Vec::new());
        };
        let is_former = |folder: &&str| {
            let id = folder.strip_prefix("node-").and_then(|id| id.parse().ok());
            id.is_some_and(|id: NodeId| self.config.nodes.iter().all(|node| node.id != id))
        };
        let listing = archives.open(&self.lazy_aws)?.list("")?;
        let folders = listing.folders.iter().map(|folder| folder.trim_end_matches('/'));
        let files = folders.filter(is_former).map(|folder| {
            let archive = archives.join(folder).open(&self.lazy_aws)?;
            Ok(self.log.files.of_archive(archive))
        });
        files.collect()
    }
}
