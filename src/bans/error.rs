//! Why bans cannot be read or changed.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::engine::EngineError;
use crate::io_reason::IoReason;

/// Why bans cannot be read or changed.
#[derive(Debug, Error)]
pub enum BansError {
    /// The ban list cannot be parsed.
    #[error(
        "the ban list '{path}' is damaged: {reason}; restore it from a copy, or remove it to lift \
         all bans"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The ban list cannot be read or written.
    #[error("cannot read or write the ban list '{path}': {}", IoReason(.reason))]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: io::Error,
    },
    /// The ban list is full.
    #[error("the ban list is full with {limit} racers; lift another ban first")]
    TooMany {
        /// The maximum number of bans.
        limit: usize,
    },
    /// Not all nodes of the cluster have confirmed the change, for this reason. It can still take effect.
    #[error(
        "not all nodes have confirmed the change of bans: {0}; it may still take effect; repeat it when the cluster \
         answers reads"
    )]
    Cluster(String),
    /// The engine cannot apply the bans.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
