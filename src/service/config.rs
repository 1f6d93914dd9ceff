//! How a service is to run, and why it cannot start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio_rustls::rustls::ServerConfig;
use velodrome_dataflows::Rules;

use super::directory::DirectoryError;
use super::kept::KeptError;
use crate::bans::BansError;
use crate::checkpoint::CheckpointError;
use crate::dead_letters::SpoolError;
use crate::engine::{ClusterError, RecoverError};
use crate::kinesis::{SourceConfig, SourceError};
use crate::log::{Clock, LogError};
use crate::serve;
use crate::store::{Acl, Location, OpenError, StoreError};

/// Where archive and history are in the data directory, unless they are to be elsewhere; what is served
/// of a history elsewhere is there too.
pub const ARCHIVE: &str = "archive";
pub const HISTORY: &str = "history";

/// How the service is to run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory: log, checkpoint, bans, dead letters.
    pub data: PathBuf,
    /// Where the log's archive is.
    pub archive: Location,
    /// Where history objects are published; what is served is in the data directory where this is a
    /// bucket.
    pub history: Location,
    /// Who else may read the history objects in a bucket.
    pub history_acl: Option<Acl>,
    /// The stream that it reads, whose clock is then its own.
    pub source: Option<SourceConfig>,
    /// What is asked in the place of AWS.
    pub endpoint: Option<String>,
    /// Where it listens; port 0 is any free one.
    pub listen: SocketAddr,
    /// What it listens with, where that is TLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// Worker threads of the engine, at least 1.
    pub workers: usize,
    /// How events become results; where none are given, as they did last in this data directory.
    pub rules: Option<Rules>,
    /// Whether all of the log is gone through again, under `rules` where they are others: beside what the
    /// checkpoint holds, or before anything else where that cannot be used.
    pub rebuild: bool,
    /// How often the checkpoint is brought up to date.
    pub checkpoint_every: Duration,
    /// The service's clock.
    pub clock: Clock,
    /// Who may send and read, and the bounds of each client.
    pub serve: serve::Config,
}

/// A service that cannot start.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// Its data directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Its archive or history.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The same, which answers.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The stream that it reads.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Its checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The rules that it kept.
    #[error(transparent)]
    Kept(#[from] KeptError),
    /// Its dead letters.
    #[error(transparent)]
    DeadLetters(#[from] SpoolError),
    /// Its bans.
    #[error(transparent)]
    Bans(#[from] BansError),
    /// Its engine.
    #[error(transparent)]
    Engine(#[from] ClusterError),
    /// What is in its log.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// Its address.
    #[error("cannot listen on '{0}': {1}; give another --listen")]
    Listen(SocketAddr, io::Error),
    /// Threads, timers or files that the system does not give.
    #[error("cannot start the service: {0}")]
    System(#[from] io::Error),
}
