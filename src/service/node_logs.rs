//! The logs that a node reads: its own, and on the coordinator those of nodes that have left the cluster.

use std::sync::atomic::{AtomicU64, Ordering};

use super::error::ServiceError;
use super::running_log::RunningLog;
use crate::cluster::{ClusterConfig, NodeId, Sequences, archive_folder, parse_archive_folder};
use crate::lazy_aws::LazyAws;
use crate::log::{LogFiles, Positions};
use crate::store::Location;

/// The logs that a node reads, and their newest segments.
pub(super) struct NodeLogs {
    id: NodeId,
    own: LogFiles,
    positions: Positions,
    /// The newest known segment of its own log.
    newest: AtomicU64,
    /// The logs of nodes that have left, which do not change, and their newest segments.
    former: Vec<(NodeId, LogFiles, u64)>,
}

impl NodeLogs {
    /// The logs of a node whose own is `log`. The coordinator finds those of nodes that have left in `archives`, which
    /// has a folder for each node.
    ///
    /// # Errors
    /// When the archive cannot be listed.
    pub(super) fn open(
        log: &RunningLog,
        cluster: &ClusterConfig,
        archives: Option<&Location>,
        lazy_aws: &LazyAws,
    ) -> Result<Self, ServiceError> {
        let (own, id) = (log.files.clone(), cluster.node().id);
        let former = match archives.filter(|_| cluster.is_coordinator()) {
            Some(archives) => former_logs(&own, cluster, archives, lazy_aws)?,
            None => Vec::new(),
        };
        let (positions, newest) = (log.positions.clone(), AtomicU64::new(log.newest));
        Ok(Self { id, own, positions, newest, former })
    }

    /// The logs of nodes that have left.
    pub(super) fn former(&self) -> impl Iterator<Item = &LogFiles> {
        self.former.iter().map(|(_, files, _)| files)
    }

    /// The newest segments of all these logs.
    pub(super) fn ends(&self) -> Sequences {
        self.archived();
        let former = self.former.iter().map(|(id, _, newest)| (*id, *newest));
        former.chain([(self.id, self.newest.load(Ordering::Relaxed))]).collect()
    }

    /// The newest segment of its own log up to which all are archived; 0 before the first, and while that is not known.
    pub(super) fn archived(&self) -> u64 {
        // Before the files are listed, which then include this segment or are in the archive.
        self.newest.fetch_max(self.positions.newest(), Ordering::Relaxed);
        match self.own.unsealed() {
            Ok(Some(unsealed)) => {
                self.newest.fetch_max(*unsealed.end(), Ordering::Relaxed);
                unsealed.start().saturating_sub(1)
            }
            Ok(None) => self.newest.load(Ordering::Relaxed),
            Err(_) => 0,
        }
    }

    /// Whether the node continues without what is missing of them.
    pub(super) fn accept_damage(&self) -> bool {
        self.own.accepts_damage()
    }
}

fn former_logs(
    own: &LogFiles,
    cluster: &ClusterConfig,
    archives: &Location,
    lazy_aws: &LazyAws,
) -> Result<Vec<(NodeId, LogFiles, u64)>, ServiceError> {
    let listing = archives.open(lazy_aws)?.list("")?;
    let former = listing.folders.iter().filter_map(|folder| {
        let id = parse_archive_folder(folder)?;
        cluster.nodes.iter().all(|node| node.id != id).then_some(id)
    });
    let open = |id| {
        let files = own.of_archive(archives.join(&archive_folder(id)).open(lazy_aws)?);
        let newest = files.newest_archived()?;
        Ok((id, files, newest))
    };
    former.map(open).collect()
}
