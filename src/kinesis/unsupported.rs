//! Stand-ins for a build without the feature `aws`: every use of a stream fails.

use std::path::Path;
use std::sync::Arc;

use serde::de::IgnoredAny;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::watch;
use velodrome_dataflows::Rules;

use super::config::{Sinks, SourceConfig};
use super::deal::Deal;
use super::name::StreamName;
use super::positions::SourceState;
use super::shard_report::ShardReport;
use crate::health::Component;
use crate::ingest::inputs::Input;
use crate::lazy_aws::LazyAws;
use crate::log::{LogFiles, SourceClock};

/// A stream that this build cannot use.
#[derive(Debug, Error)]
#[error("cannot use '{0}': this velodrome is built without Kinesis; build it with --features aws")]
pub struct Unsupported(pub StreamName);

/// A source that is ready to read. The type has no values, because this build cannot open one.
#[derive(Debug)]
pub enum Source {}

/// The source of a node. The type has no values either.
pub enum NodeSource {}

/// A generation that reads. The type has no values either.
pub enum ReadingGeneration {}

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
    ///
    /// # Errors
    /// Never.
    pub fn save_new(&self) -> Result<(), SourceError> {
        match *self {}
    }

    /// Is never called.
    pub async fn run(self, _: Sinks, _: Component, _: watch::Receiver<bool>) {
        match self {}
    }
}

impl NodeSource {
    /// Is never called.
    pub fn new(
        source: Source,
        _: Deal,
        _: Sinks,
        _: Component,
        _: LogFiles,
        _: Handle,
        _: impl Fn(ShardReport) + Send + Sync + 'static,
    ) -> Arc<Self> {
        match source {}
    }

    /// Is never called.
    pub fn stream(&self) -> &str {
        match *self {}
    }

    /// Is never called.
    pub fn ready(&self) -> Option<SourceState> {
        match *self {}
    }

    /// Is never called.
    ///
    /// # Errors
    /// Never.
    pub fn join(&self, _: &SourceState) -> Result<(), String> {
        match *self {}
    }

    /// Is never called.
    pub fn read(&self, _: u64) -> ReadingGeneration {
        match *self {}
    }

    /// Is never called.
    pub fn apply(&self, _: &ShardReport) {
        match *self {}
    }

    /// Is never called.
    pub fn shards(&self) -> Vec<String> {
        match *self {}
    }

    /// Is never called.
    pub fn close(&self) {
        match *self {}
    }

    /// Is never called.
    pub fn announce_archived(&self) {
        match *self {}
    }
}
