//! The errors of the log, and its health.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::io_reason::IoReason;
use crate::store::StoreError;

/// Why a log cannot be opened, started or sealed.
#[derive(Debug, Error)]
pub enum LogError {
    /// An operation on a file or directory failed.
    #[error("cannot {action} '{path}': {}", IoReason(.reason))]
    Disk {
        /// The operation, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The reason. It is part of the message and not the error's source, or a chain of errors would
        /// print it twice.
        reason: io::Error,
    },
    /// The archive cannot be read or written.
    #[error(transparent)]
    Archive(#[from] StoreError),
    /// The archive has a different object under the name that a segment would get.
    #[error(
        "'{0}' exists with other content, so another service uses this archive; start this service \
         with a different --archive"
    )]
    ObjectConflict(String),
    /// A segment that is not empty, and is not the newest, has no complete line.
    #[error(
        "the log's file '{0}' has no events; restore it from a backup, or move it away and start with --accept-damage"
    )]
    NoEvents(String),
    /// A part of a segment differs from the checksum that the log wrote with it.
    #[error(
        "'{path}' is damaged between its bytes {from} and {to}: they differ from their checksum; restore \
         it from a backup, or use --accept-damage to continue with the lines that can be read"
    )]
    Damaged {
        /// The segment.
        path: String,
        /// The start of the part.
        from: u64,
        /// The end of the part.
        to: u64,
    },
    /// Segments are missing between others.
    #[error(
        "the log lacks the segments {first} to {last}: they are neither in '{log}' nor in '{archive}'; \
         restore them from a backup, or use --accept-damage to continue without their events"
    )]
    Gap {
        /// The sequence of the first missing segment.
        first: u64,
        /// The sequence of the last missing segment.
        last: u64,
        /// The directory of the segments.
        log: String,
        /// The archive.
        archive: String,
    },
    /// The newest segment is shorter than the part that a checkpoint covers.
    #[error(
        "'{path}' has {bytes} bytes, but the checkpoint covers {covered}; restore it from a backup, or use \
         --accept-damage to continue without the missing events"
    )]
    Short {
        /// The segment.
        path: String,
        /// Its length.
        bytes: u64,
        /// The bytes of it that the checkpoint covers.
        covered: u64,
    },
    /// A segment or an object has lines that are not complete.
    #[error(
        "'{path}' has {lines} damaged lines, the first at byte {at}; restore it from a backup, or their \
         events do not count"
    )]
    Incomplete {
        /// The segment or the object.
        path: String,
        /// The number of lines that are not complete.
        lines: u64,
        /// The offset of the first one in the uncompressed text.
        at: u64,
    },
    /// An object of the archive cannot be read to its end.
    #[error("'{name}' cannot be read to its end: {reason}; restore it from a backup")]
    Unreadable {
        /// The object.
        name: String,
        /// The reason. As above, it is in the message and is not the error's source.
        reason: io::Error,
    },
    /// Two objects of the archive have the same sequence.
    #[error(
        "'{0}' and '{1}' have the same sequence, so two services use this archive; separate their objects, \
         and start each service with an --archive of its own"
    )]
    TwoLogs(String, String),
    /// The archive has no objects although segments are not in the log.
    #[error(
        "the archive '{archive}' is empty or missing, but it should have the segments up to {last}; restore \
         it from a backup, or name its place with --archive"
    )]
    NoArchive {
        /// The sequence of the last missing segment.
        last: u64,
        /// The archive.
        archive: String,
    },
    /// The system cannot start a thread.
    #[error("cannot start the thread '{name}': {reason}; raise the limit on threads")]
    Thread {
        /// The name of the thread.
        name: &'static str,
        /// The reason. As above, it is in the message and is not the error's source.
        reason: io::Error,
    },
}

impl LogError {
    /// Returns a function for `map_err` that reports that `action` failed on `path`.
    pub(super) fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |reason| Self::Disk { action, path: path.to_owned(), reason }
    }
}

/// Why the log can write nothing at the moment. Nothing was written in part, and the log retries.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Obstacle {
    /// The disk is full.
    #[error("the log's disk is full")]
    DiskFull,
    /// A segment cannot be opened, for this reason: too many open files, or a directory that denies it.
    #[error("the log cannot create a file: {0}")]
    NoFile(String),
}

/// Why a batch was not accepted.
///
/// None of its lines is acknowledged. After [`AppendError::Poisoned`], some of its lines may still be in
/// the log after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AppendError {
    /// The queue is full.
    #[error("the log is busy: its queue is full; send again later")]
    QueueFull,
    /// The process has more memory than it may.
    #[error("the service has too much memory; send again later")]
    MemoryFull,
    /// The log can write nothing at the moment.
    #[error("{0}; remove the cause, and send again")]
    Unavailable(Obstacle),
    /// A write or `fsync` failed, for this reason. The log accepts nothing until a restart.
    #[error("the log stopped after a failed write: {0}; check the disk, and restart the service")]
    Poisoned(String),
    /// The log is closed.
    #[error("the log is closed because the service is stopping; send again after its restart")]
    Closed,
}

/// The health of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogHealth {
    /// The most recent group of batches is durable.
    Healthy,
    /// The most recent group could not be written. The next group is tried, and the log tests once a
    /// second whether it can write.
    Unavailable(Obstacle),
    /// A write or `fsync` failed, for this reason. The log accepts nothing until a restart.
    Poisoned(String),
}
