//! A node of a cluster: the parts of its service that generations use.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;

use super::node_logs::NodeLogs;
use super::running_log::RunningLog;
use super::saver::Saver;
use crate::bans::Bans;
use crate::cluster::{Announcements, ClusterConfig, Status};
use crate::engine::{FrozenReaders, RunningEngine};
use crate::kinesis::NodeSource;
use crate::log::Clock;

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
    pub(super) logs: NodeLogs,
    pub(super) announcements: Announcements,
    /// The stream whose shards it reads, if there is one.
    pub(super) source: Option<Arc<NodeSource>>,
    pub(super) bans: Bans,
    /// The data directory.
    pub(super) data: PathBuf,
    pub(super) runtime: Handle,
}
