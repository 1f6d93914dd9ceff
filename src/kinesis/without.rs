//! A build without the feature `aws`, which knows no Kinesis.

use std::path::Path;

use thiserror::Error;
use tokio::sync::watch;
use velodrome_dataflows::Rules;

use super::{Sinks, SourceConfig, StreamName};
use crate::health::Part;
use crate::ingest::inputs::Input;
use crate::log::SourceTime;
use crate::remote::Remote;

/// A stream that this build cannot use.
#[derive(Debug, Error)]
#[error("cannot use '{0}': this velodrome knows no Kinesis; build it with --features aws")]
pub struct NoAws(pub StreamName);

/// A stream that can be read; there is none.
#[derive(Debug)]
pub enum Source {}

/// A stream that cannot be read.
#[derive(Debug, Error)]
pub enum SourceError {
    /// As none can.
    #[error(transparent)]
    Unknown(NoAws),
}

/// Finds no stream.
///
/// # Errors
/// Always.
pub fn input(name: &StreamName, _: &Remote) -> Result<Input, SourceError> {
    Err(SourceError::Unknown(NoAws(name.clone())))
}

impl Source {
    /// Finds no stream.
    ///
    /// # Errors
    /// Always.
    pub fn open(
        config: &SourceConfig,
        _: &Remote,
        _: &Path,
        _: Option<u64>,
        _: &Rules,
        _: SourceTime,
    ) -> Result<Self, SourceError> {
        Err(SourceError::Unknown(NoAws(config.stream.clone())))
    }

    /// Is never called.
    pub async fn run(self, _: Sinks, _: Part, _: watch::Receiver<bool>) {
        match self {}
    }
}
