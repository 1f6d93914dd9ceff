//! A stream: its client, its description, its shards, and the errors of its calls.

use std::error::Error;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::Builder;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::ShardIteratorType;

use super::clock_offset::ClockOffset;
use super::name::StreamName;
use super::shards::Shard;
use super::stream_error::{StreamError, StreamLabel};
use crate::aws::{ErrorKind, describe};

/// A stream and its client. Clones share connections.
#[derive(Clone, Debug)]
pub struct Stream {
    name: StreamName,
    region: String,
    client: Client,
    /// A client without retries, for callers that report failures and retry themselves.
    client_once: Client,
}

/// The description of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// When the stream was created, in ms since the epoch. It distinguishes streams of the same name.
    pub created_ms: u64,
    /// How long the stream retains records, in ms.
    pub retention_ms: u64,
    /// The number of shards that accept records.
    pub open_shards: usize,
    /// The time of the stream minus the time of this machine, in ms. 0 if they are nearly equal.
    pub clock_offset_ms: i64,
}

impl Stream {
    /// The stream `name`, with the credentials, region and endpoint in `config`.
    pub fn new(config: &SdkConfig, name: StreamName) -> Self {
        let region = config.region().map_or("none", |region| region.as_ref()).to_owned();
        let once = Builder::from(config).retry_config(RetryConfig::disabled()).build();
        Self { name, region, client: Client::new(config), client_once: Client::from_conf(once) }
    }

    /// The stream's name.
    pub fn name(&self) -> &StreamName {
        &self.name
    }

    /// The stream's name and region, for messages.
    pub fn label(&self) -> StreamLabel {
        StreamLabel { name: self.name.as_str().to_owned(), region: self.region.clone() }
    }

    /// The client without retries.
    pub(super) fn client_once(&self) -> &Client {
        &self.client_once
    }

    /// Requests the stream's description.
    ///
    /// # Errors
    /// The call failed.
    pub async fn describe(&self) -> Result<Summary, StreamError> {
        let call = self.client.describe_stream_summary().stream_name(self.name.as_str());
        let offset = ClockOffset::default();
        let response = call.customize().interceptor(offset.clone()).send().await;
        let response = response.map_err(|e| self.error("DescribeStreamSummary", &e))?;
        let summary = response.stream_description_summary();
        let summary = summary.ok_or_else(|| self.malformed("DescribeStreamSummary"))?;
        let hours = u64::try_from(summary.retention_period_hours()).unwrap_or_default();
        Ok(Summary {
            created_ms: millis(*summary.stream_creation_timestamp()),
            retention_ms: hours * 3_600_000,
            open_shards: usize::try_from(summary.open_shard_count()).unwrap_or_default(),
            clock_offset_ms: offset.ms(),
        })
    }

    /// Lists the shards that have records or accept them, sorted by id.
    ///
    /// # Errors
    /// A call failed.
    pub async fn shards(&self) -> Result<Vec<Shard>, StreamError> {
        let mut shards = Vec::new();
        let mut call = self.client.list_shards().stream_name(self.name.as_str());
        loop {
            let page = call.send().await.map_err(|e| self.error("ListShards", &e))?;
            shards.extend(page.shards().iter().map(Shard::from_sdk));
            // A call with a token must not have the stream's name.
            match page.next_token() {
                Some(token) => call = self.client.list_shards().next_token(token),
                None => break,
            }
        }
        shards.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(shards)
    }

    /// Requests the oldest record of a closed shard, and returns its arrival; none if the shard has no
    /// records, and 0 if the response does not show that.
    ///
    /// # Errors
    /// A call failed.
    pub(super) async fn oldest_arrival(&self, shard: &str) -> Result<Option<u64>, StreamError> {
        let call = self.client.get_shard_iterator().stream_name(self.name.as_str());
        let call = call.shard_id(shard).shard_iterator_type(ShardIteratorType::TrimHorizon);
        let iterator = call.send().await.map_err(|e| self.error("GetShardIterator", &e))?;
        let call = self.client.get_records().set_shard_iterator(iterator.shard_iterator).limit(1);
        let response = call.send().await.map_err(|e| self.error("GetRecords", &e))?;
        let oldest = response.records().first();
        let arrival = oldest.and_then(|record| record.approximate_arrival_timestamp);
        let is_drained = oldest.is_none() && response.next_shard_iterator().is_none();
        Ok((!is_drained).then(|| arrival.map_or(0, millis)))
    }

    /// Converts the SDK's error of `call`.
    pub(super) fn error<E: ProvideErrorMetadata + Error + 'static, R>(
        &self,
        call: &'static str,
        error: &SdkError<E, R>,
    ) -> StreamError {
        let (stream, reason) = (self.label(), describe(error));
        match ErrorKind::of(error) {
            ErrorKind::NotFound => StreamError::NotFound { stream, reason },
            ErrorKind::Denied => StreamError::Denied { call, stream, reason },
            ErrorKind::Throttled => StreamError::Throttled { call, stream, reason },
            ErrorKind::Unreachable => StreamError::Unreachable { stream, reason },
            ErrorKind::ClockSkew => StreamError::ClockSkew { call, stream, reason },
            ErrorKind::Encryption => StreamError::Encryption { call, stream, reason },
            ErrorKind::PreconditionFailed | ErrorKind::Archived | ErrorKind::Other => {
                StreamError::Failed { call, stream, reason }
            }
        }
    }

    /// The error of a response to `call` that lacks a required field.
    pub(super) fn malformed(&self, call: &'static str) -> StreamError {
        let reason = "the response could not be parsed".to_owned();
        StreamError::Failed { call, stream: self.label(), reason }
    }
}

/// `time` in ms since the epoch. Rounds to the nearest ms, because the protocol sends fractional seconds
/// as a double.
pub(super) fn millis(time: DateTime) -> u64 {
    u64::try_from((time.as_nanos() + 500_000) / 1_000_000).unwrap_or_default()
}
