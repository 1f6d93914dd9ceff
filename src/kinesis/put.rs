//! Puts records into a stream, by PutRecords.

use std::iter;

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};
use tokio::runtime::Handle;

use super::StreamName;
use super::stream::{Stream, StreamError};
use crate::aws::Aws;

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
    stream: Stream,
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

impl Writer {
    /// Looks for nothing: a stream that is not there is told by the first put, which needs no permission
    /// but to put.
    pub fn new(aws: &Aws, stream: StreamName) -> Self {
        Self { stream: Stream::new(aws.config(), stream), runtime: aws.runtime().clone() }
    }

    /// The stream's name.
    pub fn stream(&self) -> &StreamName {
        self.stream.name()
    }

    /// Puts `records`, which must keep to the limits above, and gives the verdict on each. Of records of one
    /// key in a request a later one may be taken where an earlier one is not.
    ///
    /// # Errors
    /// A stream that takes none.
    pub fn put(&self, records: &[Record<'_>]) -> Result<Vec<Verdict>, StreamError> {
        let entry = |record: &Record<'_>| {
            let entry = PutRecordsRequestEntry::builder().partition_key(record.key);
            entry.data(Blob::new(record.data)).build()
        };
        let all = |verdict| vec![verdict; records.len()];
        let entries = match records.iter().map(entry).collect() {
            Ok(entries) => Some(entries),
            Err(error) => return Ok(all(Verdict::Failed(error.to_string()))),
        };
        // Which records are sent again, and when, is for whoever keeps them in order.
        let put = self.stream.once().put_records().stream_name(self.stream.name().as_str());
        match self.runtime.block_on(put.set_records(entries).send()) {
            Ok(answer) => {
                let told = answer.records().iter().map(verdict);
                let none = || Verdict::Failed("the answer tells nothing of it".to_owned());
                Ok(told.chain(iter::repeat_with(none)).take(records.len()).collect())
            }
            Err(error) => match self.stream.error("PutRecords", &error) {
                error @ (StreamError::Missing { .. } | StreamError::Denied { .. }) => Err(error),
                StreamError::Throttled { .. } => Ok(all(Verdict::Throttled)),
                error => Ok(all(Verdict::Failed(error.to_string()))),
            },
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
