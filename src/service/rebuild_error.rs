//! Why a rebuild failed.

use thiserror::Error;

use crate::bans::BansError;
use crate::checkpoint::CheckpointError;
use crate::engine::{ClusterError, RecoverError};
use crate::log::LogError;
use crate::rules::InvalidRules;

/// Why a rebuild failed. The service continues under its active rules.
#[derive(Debug, Error)]
pub(super) enum RebuildError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Workers(#[from] ClusterError),
    #[error(transparent)]
    Bans(#[from] BansError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Recover(#[from] RecoverError),
    #[error("cannot write to the data directory: {0}")]
    Disk(#[from] std::io::Error),
    #[error(transparent)]
    Rules(#[from] InvalidRules),
    #[error(
        "the log accepts no events after a failed write, and may contain events that were not \
         acknowledged; restart the service"
    )]
    Poisoned,
}
