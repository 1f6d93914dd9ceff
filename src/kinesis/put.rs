//! Puts records into a stream, by PutRecords.

use std::iter;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::Builder;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::error::SdkError;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};
use thiserror::Error;
use tokio::runtime::Handle;

use super::StreamName;
use crate::aws::{Aws, Fault, describe};

/// Records in a request, at most (Kinesis' API reference, "PutRecords").
pub const RECORDS_MAX: usize = 500;
/// Bytes of data and keys in a request, at most: what streams take that are not set up for large records.
pub const REQUEST_BYTES_MAX: usize = 5 << 20;
/// Bytes of data and key of a record, at most: the same.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// Characters of a key, at most; there must be one at least.
pub const KEY_CHARS_MAX: usize = 256;

/// The code of a record that its shard has no room for.
const THROTTLED: &str = "ProvisionedThroughputExceededException";

/// The way into a stream. Calls block, and are tried once.
#[derive(Clone, Debug)]
pub struct Writer {
    client: Client,
    stream: StreamName,
    region: String,
    runtime: Handle,
}

/// One record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// What tells its shard.
    pub key: &'a str,
    /// What it holds.
    pub data: &'a [u8],
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is in the stream.
    Taken,
    /// It is not, as that would be too much at a time.
    Throttled,
    /// It is not, or nobody knows, for this reason.
    Failed(String),
}

/// A stream that takes no records, now and later.
#[derive(Debug, Error)]
pub enum PutError {
    /// There is none of this name.
    #[error(
        "no stream '{stream}' in region '{region}'; create it, or set AWS_REGION to where it is"
    )]
    Missing {
        /// What it was to be.
        stream: StreamName,
        /// Where.
        region: String,
    },
    /// No permission, for AWS' reason.
    #[error("no permission to put records into '{stream}' in region '{region}': {reason}")]
    Denied {
        /// Into which stream.
        stream: StreamName,
        /// Where.
        region: String,
        /// What AWS says.
        reason: String,
    },
}

impl Writer {
    /// Looks for nothing: a stream that is not there is told by the first put, which needs no permission
    /// but to put.
    pub fn new(aws: &Aws, stream: StreamName) -> Self {
        // Which records are sent again, and when, is for whoever keeps them in order.
        let config = Builder::from(aws.config()).retry_config(RetryConfig::disabled()).build();
        let (client, region) = (Client::from_conf(config), aws.region().to_owned());
        Self { client, stream, region, runtime: aws.runtime().clone() }
    }

    /// The stream's name.
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// Puts `records`, which must keep to the limits above, and gives the verdict on each. Of records of one
    /// key in a request a later one may be taken where an earlier one is not.
    ///
    /// # Errors
    /// A stream that takes none.
    pub fn put(&self, records: &[Record<'_>]) -> Result<Vec<Verdict>, PutError> {
        let entry = |record: &Record<'_>| {
            let entry = PutRecordsRequestEntry::builder().partition_key(record.key);
            entry.data(Blob::new(record.data)).build().map_err(SdkError::construction_failure)
        };
        let answer = records.iter().map(entry).collect::<Result<Vec<_>, _>>().and_then(|entries| {
            let put = self.client.put_records().stream_name(self.stream.as_str());
            self.runtime.block_on(put.set_records(Some(entries)).send())
        });
        let all = |verdict| vec![verdict; records.len()];
        match answer {
            Ok(answer) => {
                let told = answer.records().iter().map(verdict);
                let none = || Verdict::Failed("the answer tells nothing of it".to_owned());
                Ok(told.chain(iter::repeat_with(none)).take(records.len()).collect())
            }
            Err(error) => {
                let (stream, region) = (self.stream.clone(), self.region.clone());
                match Fault::of(&error) {
                    Fault::Missing => Err(PutError::Missing { stream, region }),
                    Fault::Denied => {
                        Err(PutError::Denied { stream, region, reason: describe(&error) })
                    }
                    Fault::Throttled => Ok(all(Verdict::Throttled)),
                    _ => Ok(all(Verdict::Failed(describe(&error)))),
                }
            }
        }
    }
}

fn verdict(told: &PutRecordsResultEntry) -> Verdict {
    match told.error_code() {
        None => Verdict::Taken,
        Some(THROTTLED) => Verdict::Throttled,
        Some(code) => Verdict::Failed(code.to_owned()),
    }
}
