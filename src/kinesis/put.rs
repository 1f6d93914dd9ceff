//! A writer that puts records into a stream, with the call PutRecords.

use std::iter;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};
use tokio::runtime::Handle;

use super::name::StreamName;
use super::stream::Stream;
use super::stream_error::StreamError;
use crate::aws::Aws;

/// The maximum number of records in a request (Kinesis' API reference, "PutRecords").
pub const RECORDS_MAX: usize = 500;
/// The maximum size of a request, data and keys. A stream can be configured for larger requests and
/// records; these are the default limits.
pub const REQUEST_BYTES_MAX: usize = 5 << 20;
/// The maximum size of a record, data and key.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// The maximum length of a partition key in characters. The minimum is one.
pub const KEY_CHARS_MAX: usize = 256;

/// The error code of a record that exceeds its shard's throughput.
const THROTTLED: &str = "ProvisionedThroughputExceededException";

/// A writer to a stream. Calls block, and are not retried.
#[derive(Clone, Debug)]
pub struct StreamWriter {
    stream: Stream,
    runtime: Handle,
}

/// A record to put.
#[derive(Clone, Copy, Debug)]
pub struct PutRecord<'a> {
    /// The partition key, which determines the shard.
    pub key: &'a str,
    /// The data.
    pub data: &'a [u8],
}

/// The outcome for one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// The record is in the stream.
    Accepted,
    /// The record was rejected because its shard's throughput is exceeded.
    Throttled,
    /// The record was rejected, or its state is unknown, for this reason.
    Failed(String),
}

impl StreamWriter {
    /// A writer to `stream`. Makes no call, so that the permission for PutRecords is enough. If the
    /// stream does not exist, the first put fails.
    pub fn new(aws: &Aws, stream: StreamName) -> Self {
        Self { stream: Stream::new(aws.config(), stream), runtime: aws.runtime().clone() }
    }

    /// The stream's name.
    pub fn stream(&self) -> &StreamName {
        self.stream.name()
    }

    /// Puts `records`, which must be within the limits above, and returns the outcome for each. If two
    /// records in a request have the same key, the later one may be accepted and the earlier one
    /// rejected.
    ///
    /// # Errors
    /// The call fails for a reason that a retry cannot change, such as missing permission.
    pub fn put(&self, records: &[PutRecord<'_>]) -> Result<Vec<PutOutcome>, StreamError> {
        let entry = |record: &PutRecord<'_>| {
            let entry = PutRecordsRequestEntry::builder().partition_key(record.key);
            entry.data(Blob::new(record.data)).build()
        };
        let all = |outcome| vec![outcome; records.len()];
        let entries = match records.iter().map(entry).collect() {
            Ok(entries) => Some(entries),
            Err(error) => return Ok(all(PutOutcome::Failed(error.to_string()))),
        };
        // The caller decides about retries, because it must keep the records of a key in order.
        let put = self.stream.client_once().put_records();
        let put = put.stream_name(self.stream.name().as_str()).set_records(entries);
        match self.runtime.block_on(put.send()) {
            Ok(response) => {
                let outcomes = response.records().iter().map(outcome);
                let missing = || PutOutcome::Failed("the response has no result for it".to_owned());
                Ok(outcomes.chain(iter::repeat_with(missing)).take(records.len()).collect())
            }
            Err(error) => match self.stream.error("PutRecords", &error) {
                error if error.is_final() => Err(error),
                StreamError::Throttled { .. } => Ok(all(PutOutcome::Throttled)),
                error => Ok(all(PutOutcome::Failed(error.to_string()))),
            },
        }
    }
}

fn outcome(result: &PutRecordsResultEntry) -> PutOutcome {
    match result.error_code() {
        None => PutOutcome::Accepted,
        Some(THROTTLED) => PutOutcome::Throttled,
        Some(code) => PutOutcome::Failed(code.to_owned()),
    }
}
