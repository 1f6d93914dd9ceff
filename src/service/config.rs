//! The configuration of a service.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use velodrome_dataflows::Rules;

use super::error::ServiceError;
use crate::cluster::ClusterConfig;
use crate::kinesis::SourceConfig;
use crate::log::Clock;
use crate::serve;
use crate::serve::tls::Certificate;
use crate::store::{Acl, Location};

/// The default name of the archive's directory in the data directory.
pub const ARCHIVE: &str = "archive";
/// The default name of the directory of history objects in the data directory. If they are published to
/// a bucket, this directory has the copies that the service itself serves.
pub const HISTORY: &str = "history";

/// The configuration of a service.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory: log, checkpoint, bans, dead letters.
    pub data: PathBuf,
    /// Where the log is archived.
    pub archive: Location,
    /// The archive in which each node of a cluster has a folder, if there is one.
    pub archives: Option<Location>,
    /// Where history objects are published.
    pub history: Location,
    /// The ACL of history objects in a bucket.
    pub history_acl: Option<Acl>,
    /// The stream to read. If there is one, its time is the service's clock.
    pub source: Option<SourceConfig>,
    /// The URL of an AWS-compatible server to use instead of AWS.
    pub endpoint: Option<String>,
    /// The address to listen on. Port 0 selects any free port.
    pub listen: SocketAddr,
    /// The certificate, or `None` for plain HTTP.
    pub tls: Option<Certificate>,
    /// The cluster that the service is a node of, if any.
    pub cluster: Option<ClusterConfig>,
    /// The number of worker threads of the engine, at least 1.
    pub workers: usize,
    /// The maximum number of open rides.
    pub open_rides_max: NonZeroUsize,
    /// The memory of the process, in bytes, above which it refuses new work.
    pub memory_max: u64,
    /// The scoring rules. `None` selects the most recent rules saved in the data directory.
    pub rules: Option<Rules>,
    /// Whether to replay the complete log, under `rules` if given. The replay runs in the background
    /// while the service answers from its checkpoint. If the checkpoint cannot be used, the replay runs
    /// before the service is ready.
    pub rebuild: bool,
    /// The interval between checkpoint writes.
    pub checkpoint_every: Duration,
    /// The service's clock.
    pub clock: Clock,
    /// Whether to start although the clock is more than a day after the log's last time.
    pub accept_clock: bool,
    /// Whether to start although parts of the log are missing or damaged.
    pub accept_damage: bool,
    /// Access control and limits of the HTTP API.
    pub serve: serve::Config,
    /// Becomes true when the service must stop. A start that is in progress then ends early.
    pub stop: watch::Receiver<bool>,
    /// Changes when keys and certificates shall be read again.
    pub hangups: watch::Receiver<u64>,
}

impl Config {
    /// Ends a start that must stop.
    ///
    /// # Errors
    /// [`ServiceError::Stopped`] when `stop` is true.
    pub(super) fn check_stop(&self) -> Result<(), ServiceError> {
        if *self.stop.borrow() { Err(ServiceError::Stopped) } else { Ok(()) }
    }
}
