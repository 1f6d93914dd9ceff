//! Opens the checkpoint in the data directory, under the rules with which the service starts.

use super::config::Config;
use super::error::ServiceError;
use super::layout::Layout;
use super::saved_rules;
use crate::checkpoint::{Checkpoint, CheckpointError};

/// The name of the checkpoint's file.
pub const CHECKPOINT: &str = "checkpoint.redb";
/// The name of a rebuild's checkpoint, until it replaces the service's checkpoint.
pub(super) const REBUILT: &str = "rebuilt.redb";

/// Opens the checkpoint, and saves its rules.
///
/// The rules are the first that exist of: the rules of the checkpoint, `--rules`, the rules saved in the
/// data directory, and the default rules.
pub(super) fn open(config: &Config) -> Result<Checkpoint, ServiceError> {
    if config.cluster.is_none() && Layout::load(&config.data)?.is_some() {
        return Err(ServiceError::Shard(config.data.clone()));
    }
    // Remove the checkpoint of a rebuild that a crash interrupted.
    Checkpoint::discard(&config.data.join(REBUILT))?;
    let path = config.data.join(CHECKPOINT);
    let initial = config.rules.clone().unwrap_or_default();
    let mut checkpoint = match Checkpoint::open(&path, &initial) {
        Err(CheckpointError::Damaged { .. } | CheckpointError::Format { .. }) if config.rebuild => {
            Checkpoint::discard(&path)?;
            Checkpoint::open(&path, &initial)?
        }
        opened => opened?,
    };
    if checkpoint.complete().is_none()
        && config.rules.is_none()
        && let Some(rules) = saved_rules::load(&config.data)?
    {
        // Close the file first, because it can be open only once.
        drop(checkpoint);
        checkpoint = Checkpoint::open(&path, &rules)?;
    }
    if let Some(rules) = config.rules.as_ref().filter(|_| !config.rebuild) {
        checkpoint.check(rules)?;
    }
    saved_rules::save(&config.data, checkpoint.rules());
    Ok(checkpoint)
}
