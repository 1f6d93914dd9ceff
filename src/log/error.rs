//! What can go wrong with the log, and how it is.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::store::StoreError;

/// A data directory whose log cannot be opened, started or sealed.
#[derive(Debug, Error)]
pub enum LogError {
    /// A file or directory that cannot be used.
    #[error("cannot {action} '{path}': {reason}")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// Part of the message, hence not its source: a chain of errors would tell it twice.
        reason: io::Error,
    },
    /// The archive.
    #[error(transparent)]
    Archive(#[from] StoreError),
    /// Another object has a segment's name.
    #[error(
        "'{0}' is there with other bytes: another service archives there; give this one another --archive"
    )]
    Foreign(String),
    /// A segment, not the newest, that is not empty and has not one whole line.
    #[error("the segment '{0}' holds no event; move it away and start again")]
    NoEvents(PathBuf),
    /// A thread that the system does not give.
    #[error("cannot start the thread '{name}': {reason}; raise the limit of threads")]
    Thread {
        /// What it is called.
        name: &'static str,
        /// Part of the message, hence not its source.
        reason: io::Error,
    },
}

impl LogError {
    /// For `map_err`: `action` failed on `path`.
    pub(super) fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |reason| Self::Disk { action, path: path.to_owned(), reason }
    }
}

/// Why a batch was not taken. Nothing of it is acknowledged; where the log was poisoned, some of it
/// may be found after a restart all the same.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AppendError {
    /// As much waits as may wait.
    #[error("the log's queue is full; send again later")]
    Full,
    /// There is no space for it.
    #[error("the log's disk is full; send again once there is space")]
    DiskFull,
    /// The log takes nothing any more, for this reason.
    #[error("the log is poisoned: {0}; restart the service once its disk is sound")]
    Poisoned(String),
    /// The log was closed.
    #[error("the log is closed; send again once the service is back")]
    Closed,
}

/// How the log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// The last group became durable.
    Healthy,
    /// The last group found no space; the next one tries again, and so does the log once a second.
    DiskFull,
    /// A write or fsync failed, for this reason: nothing is taken any more.
    Poisoned(String),
}
