//! The inputs of a service: its log, and the stream that it reads, if any.

use std::sync::Arc;

use velodrome_dataflows::Rules;

use super::config::Config;
use super::error::ServiceError;
use super::stores::Stores;
use crate::kinesis::Source;
use crate::lazy_aws::LazyAws;
use crate::log::{self, OpenedLog};

/// The log and the stream, opened but not running.
pub(super) struct EventInput {
    pub(super) log: OpenedLog,
    pub(super) source: Option<Source>,
}

impl EventInput {
    /// Opens both. If there is a stream, it sets `config.clock` to a clock that follows the stream's
    /// time.
    pub(super) fn open(
        config: &mut Config,
        stores: &Stores,
        lazy_aws: &LazyAws,
        rules: &Rules,
    ) -> Result<Self, ServiceError> {
        let (following, source_clock) = config.clock.clone().following_source();
        if config.source.is_some() {
            config.clock = following;
        }
        let archive = Arc::clone(&stores.archive);
        let log = log::open(&config.data, archive, config.clock.clone(), config.accept_damage)?;
        let source = config.source.as_ref().map(|source| {
            let last_ms = log.last_arrival();
            Source::open(source, lazy_aws, &config.data, last_ms, rules, source_clock)
        });
        let source = source.transpose()?;
        // Where a cluster starts to read is decided when its first generation forms.
        if let Some(source) = source.as_ref().filter(|_| config.cluster.is_none()) {
            source.save_new()?;
        }
        Ok(Self { log, source })
    }
}
