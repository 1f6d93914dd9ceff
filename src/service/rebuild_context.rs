//! The parts of the service that a rebuild uses.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;

use super::running_log::RunningLog;
use super::saver::Saver;
use crate::bans::Bans;
use crate::engine::RunningEngine;
use crate::rebuild_requests::RebuildRequests;

/// The parts of the service that a rebuild uses.
pub(super) struct RebuildContext {
    pub(super) rebuilds: RebuildRequests,
    /// The service's engine, to be replaced.
    pub(super) running: Arc<Mutex<RunningEngine>>,
    /// The service's checkpoint, to be replaced.
    pub(super) saver: Arc<Mutex<Saver>>,
    pub(super) log: RunningLog,
    pub(super) bans: Bans,
    /// The data directory.
    pub(super) data: PathBuf,
    /// The path of the service's checkpoint.
    pub(super) checkpoint: PathBuf,
    pub(super) checkpoint_every: Duration,
    pub(super) workers: usize,
    pub(super) runtime: Handle,
}
