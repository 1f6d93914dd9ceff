//! Why a service cannot start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

use super::data_directory::DataDirectoryError;
use super::saved_rules::SavedRulesError;
use crate::bans::BansError;
use crate::checkpoint::CheckpointError;
use crate::cluster;
use crate::dead_letters::SpoolError;
use crate::engine::{ClusterError, RecoverError};
use crate::kinesis::SourceError;
use crate::log::LogError;
use crate::open_files::TooFewFiles;
use crate::store::{OpenError, StoreError};

/// A service that cannot start.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DataDirectoryError),
    /// The archive or the history cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The archive or the history returned an error.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The stream cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The saved rules cannot be read.
    #[error(transparent)]
    SavedRules(#[from] SavedRulesError),
    /// The spool of dead letters cannot be used.
    #[error(transparent)]
    DeadLetters(#[from] SpoolError),
    /// The bans cannot be read or applied.
    #[error(transparent)]
    Bans(#[from] BansError),
    /// The data directory is that of a node of a cluster.
    #[error(
        "'{0}' is the data directory of a node, whose checkpoint has a part of the results; start it with --cluster and \
         --node, or remove layout.json and checkpoint.redb from it to serve the events of its own log alone"
    )]
    Shard(PathBuf),
    /// The node cannot be part of its cluster.
    #[error(transparent)]
    Cluster(#[from] cluster::ClusterError),
    /// The engine cannot start.
    #[error(transparent)]
    Engine(#[from] ClusterError),
    /// The log cannot be replayed.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The clock is far ahead of everything in the data directory.
    #[error(
        "the clock shows {now}, more than a day after the last time in the log, {last}; if the clock is \
         right, start with --accept-clock, otherwise set it"
    )]
    ClockAhead {
        /// The clock's time, as RFC 3339.
        now: String,
        /// The last time of the log and the checkpoint, as RFC 3339.
        last: String,
    },
    /// The process may have too few files open.
    #[error("a service cannot start")]
    OpenFiles(#[from] TooFewFiles),
    /// It was stopped before it was ready.
    #[error("the service was stopped before it was ready")]
    Stopped,
    /// The address cannot be listened on.
    #[error("cannot listen on '{0}': {1}; give another --listen")]
    Listen(SocketAddr, io::Error),
    /// The system denies threads, timers or files.
    #[error("cannot start the service")]
    System(#[from] io::Error),
}
