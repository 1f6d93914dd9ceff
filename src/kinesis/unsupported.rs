//! Stand-ins for a build without the feature `aws`: every use of a stream fails.

use std::path::Path;

use serde::de::IgnoredAny;
use thiserror::Error;
use tokio::sync::watch;
use velodrome_dataflows::Rules;

use super::config::{Sinks, SourceConfig};
use super::name::StreamName;
use crate::health::Component;
use crate::ingest::inputs::Input;
use crate::lazy_aws::LazyAws;
use crate::log::SourceClock;

/// A stream that this build cannot use.
#[derive(Debug, Error)]
#[error("cannot use '{0}': this velodrome is built without Kinesis; build it with --features aws")]
pub struct Unsupported(pub StreamName);

/// A source that is ready to read. The type has no values, because this build cannot open one.
#[derive(Debug)]
pub enum Source {}

/// Why a stream cannot be read.
#[derive(Debug, Error)]
pub enum SourceError {
    /// This build has no Kinesis support.
    #[error(transparent)]
    Unsupported(Unsupported),
}

/// Always fails.
///
/// # Errors
/// Always.
pub fn input(name: &StreamName, _: &LazyAws) -> Result<Input, SourceError> {
    Err(SourceError::Unsupported(Unsupported(name.clone())))
}

/// Checks that `text` is JSON. This build cannot check more.
///
/// # Errors
/// Its first fault.
pub fn check_positions(text: &[u8]) -> serde_json::Result<()> {
    serde_json::from_slice::<IgnoredAny>(text).map(drop)
}

impl Source {
    /// Always fails.
    ///
    /// # Errors
    /// Always.
    pub fn open(
        config: &SourceConfig,
        _: &LazyAws,
        _: &Path,
        _: Option<u64>,
        _: &Rules,
        _: SourceClock,
    ) -> Result<Self, SourceError> {
        Err(SourceError::Unsupported(Unsupported(config.stream.clone())))
    }

    /// Is never called.
    pub async fn run(self, _: Sinks, _: Component, _: watch::Receiver<bool>) {
        match self {}
    }
}
