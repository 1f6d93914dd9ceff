//! A stream as a whole: what it is, its shards, and what stands in the way, in one line.

use std::error::Error;
use std::fmt;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::Builder;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::primitives::DateTime;
use thiserror::Error;

use super::StreamName;
use super::lineage::Shard;
use crate::aws::{Fault, describe};

/// A stream, and the way to it; clones share its connections.
#[derive(Clone, Debug)]
pub struct Stream {
    name: StreamName,
    region: String,
    client: Client,
    /// For calls whose failures are told, and tried again elsewhere.
    once: Client,
}

/// What a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// When it was made, in ms since the epoch: another stream of the same name was made at another time.
    pub created_ms: u64,
    /// For how long it keeps records, in ms.
    pub retention_ms: u64,
    /// How many shards take records.
    pub open_shards: usize,
}

/// Which stream it is, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    name: String,
    region: String,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream '{}' in region '{}'", self.name, self.region)
    }
}

/// Why a stream cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StreamError {
    /// It, or the shard that was asked for, is not there.
    #[error(
        "no such {subject}: {reason}; create it, or set AWS_REGION to the region that it is in"
    )]
    Missing {
        /// Which stream.
        subject: Subject,
        /// What AWS says.
        reason: String,
    },
    /// The credentials do not allow it.
    #[error(
        "no permission for kinesis:{call} on {subject}: {reason}; allow it to these credentials"
    )]
    Denied {
        /// What was asked for.
        call: &'static str,
        /// Which stream.
        subject: Subject,
        /// What AWS says.
        reason: String,
    },
    /// Too much was asked for at a time.
    #[error("kinesis:{call} on {subject} is throttled: {reason}")]
    Throttled {
        /// What was asked for.
        call: &'static str,
        /// Which stream.
        subject: Subject,
        /// What AWS says.
        reason: String,
    },
    /// Nobody answers.
    #[error("cannot reach Kinesis for {subject}: {reason}")]
    Unreachable {
        /// Which stream.
        subject: Subject,
        /// What happened.
        reason: String,
    },
    /// Any other reason.
    #[error("kinesis:{call} on {subject} failed: {reason}")]
    Failed {
        /// What was asked for.
        call: &'static str,
        /// Which stream.
        subject: Subject,
        /// What AWS says.
        reason: String,
    },
}

impl Stream {
    /// The stream `name` where `config` leads to.
    pub fn new(config: &SdkConfig, name: StreamName) -> Self {
        let region = config.region().map_or("none", |region| region.as_ref()).to_owned();
        let once = Builder::from(config).retry_config(RetryConfig::disabled()).build();
        Self { name, region, client: Client::new(config), once: Client::from_conf(once) }
    }

    /// Its name.
    pub fn name(&self) -> &StreamName {
        &self.name
    }

    /// Which one it is, for messages.
    pub fn subject(&self) -> Subject {
        Subject { name: self.name.as_str().to_owned(), region: self.region.clone() }
    }

    /// The client for calls that are tried once.
    pub(super) fn once(&self) -> &Client {
        &self.once
    }

    /// What it is.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn describe(&self) -> Result<Summary, StreamError> {
        let call = self.client.describe_stream_summary().stream_name(self.name.as_str());
        let answer = call.send().await.map_err(|e| self.error("DescribeStreamSummary", &e))?;
        let summary = answer.stream_description_summary();
        let summary = summary.ok_or_else(|| self.unclear("DescribeStreamSummary"))?;
        let hours = u64::try_from(summary.retention_period_hours()).unwrap_or_default();
        Ok(Summary {
            created_ms: millis(*summary.stream_creation_timestamp()),
            retention_ms: hours * 3_600_000,
            open_shards: usize::try_from(summary.open_shard_count()).unwrap_or_default(),
        })
    }

    /// All its shards that hold records or will, in the order of their ids.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn shards(&self) -> Result<Vec<Shard>, StreamError> {
        let mut shards = Vec::new();
        let mut call = self.client.list_shards().stream_name(self.name.as_str());
        loop {
            let page = call.send().await.map_err(|e| self.error("ListShards", &e))?;
            shards.extend(page.shards().iter().map(Shard::of));
            // The token stands for the name, which may not be said again.
            match page.next_token() {
                Some(token) => call = self.client.list_shards().next_token(token),
                None => break,
            }
        }
        shards.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(shards)
    }

    /// What `error`, met at `call`, means for whoever uses the stream.
    pub(super) fn error<E: ProvideErrorMetadata + Error + 'static, R>(
        &self,
        call: &'static str,
        error: &SdkError<E, R>,
    ) -> StreamError {
        let (subject, reason) = (self.subject(), describe(error));
        match Fault::of(error) {
            Fault::Missing => StreamError::Missing { subject, reason },
            Fault::Denied => StreamError::Denied { call, subject, reason },
            Fault::Throttled => StreamError::Throttled { call, subject, reason },
            Fault::Unreachable => StreamError::Unreachable { subject, reason },
            Fault::Condition | Fault::Other => StreamError::Failed { call, subject, reason },
        }
    }

    /// The error of an answer to `call` that lacks what it must have.
    pub(super) fn unclear(&self, call: &'static str) -> StreamError {
        let reason = "the answer cannot be understood".to_owned();
        StreamError::Failed { call, subject: self.subject(), reason }
    }
}

/// A time in ms since the epoch; to the nearest one, as it is a fraction of seconds on its way.
pub(super) fn millis(time: DateTime) -> u64 {
    u64::try_from((time.as_nanos() + 500_000) / 1_000_000).unwrap_or_default()
}
