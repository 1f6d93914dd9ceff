//! A reader of one shard, from a start to the shard's end.

use std::time::Duration;

use aws_sdk_kinesis::operation::get_records::GetRecordsError;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::ShardIteratorType;
use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use super::start::Start;
use super::stream::{Stream, millis};
use super::stream_error::StreamError;
use crate::aws::backoff;
use crate::log::Clock;

/// The interval between calls. A shard allows five calls per second, to all its readers together
/// (Kinesis' API reference, "GetRecords").
const INTERVAL: Duration = Duration::from_millis(200);
/// The interval between calls at the end of a shard. Three calls per second leave two to other
/// consumers: a Lambda function and a Firehose poll once per second each (Kinesis' developer guide,
/// "Shared throughput consumers").
const IDLE_INTERVAL: Duration = Duration::from_millis(334);
/// The maximum number of records in a response. A response with this many may be truncated: more records
/// may follow.
const RECORDS_MAX: usize = 10_000;

/// A record of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The sequence number.
    pub sequence: String,
    /// When the stream received the record, in ms since the epoch. Along a shard it may decrease
    /// slightly.
    pub arrival_ms: u64,
    /// The data.
    pub data: Bytes,
}

/// The response to one call: at most 10,000 records or 10 MiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The records, in order. Kinesis may return none although the shard has more.
    pub records: Vec<Record>,
    /// How old the shard's next record is, in ms; 0 at the end of the shard.
    pub behind_ms: u64,
    /// When the call was made, in ms since the epoch.
    pub polled_ms: u64,
    /// Whether the shard is closed and this is its last batch, so that its children may be read.
    pub is_closed: bool,
}

/// Reads one shard, one call at a time, within the shard's limits.
#[derive(Debug)]
pub struct ShardReader {
    stream: Stream,
    shard: String,
    /// Where the next iterator starts.
    next: Start,
    iterator: Option<String>,
    clock: Clock,
    /// The earliest time of the next call.
    due: Instant,
    /// The number of calls that failed since the last success.
    failures: u32,
}

impl ShardReader {
    /// A reader of `shard` of `stream` from `start`. `clock` is the wall clock.
    pub fn new(stream: Stream, shard: String, start: Start, clock: Clock) -> Self {
        let due = Instant::now();
        Self { stream, shard, next: start, iterator: None, clock, due, failures: 0 }
    }

    /// The shard's id.
    pub fn shard(&self) -> &str {
        &self.shard
    }

    /// Where the reader requests its next iterator, if it has none or the current one expires.
    pub fn position(&self) -> &Start {
        &self.next
    }

    /// Moves the reader to `start`.
    pub fn seek(&mut self, start: Start) {
        self.next = start;
        self.iterator = None;
    }

    /// Waits until a call is allowed, and makes it. If the iterator has expired, the reader resumes
    /// after its last record.
    ///
    /// # Errors
    /// The call failed. The reader can be called again: it backs off, and resumes at the same position.
    pub async fn next(&mut self) -> Result<Batch, StreamError> {
        loop {
            sleep_until(self.due).await;
            let began = Instant::now();
            let result = self.call().await;
            let wait = match &result {
                Ok(Some(batch)) if batch.is_at_end() => IDLE_INTERVAL,
                Ok(_) => INTERVAL,
                Err(_) => backoff(INTERVAL, self.failures).max(INTERVAL),
            };
            self.due = began + wait;
            self.failures = if result.is_ok() { 0 } else { self.failures.saturating_add(1) };
            if let Some(batch) = result? {
                return Ok(batch);
            }
        }
    }

    /// Makes a call. Returns no batch if the iterator has expired.
    async fn call(&mut self) -> Result<Option<Batch>, StreamError> {
        let polled_ms = self.clock.now();
        let iterator = match self.iterator.take() {
            Some(iterator) => iterator,
            None => self.new_iterator(polled_ms).await?,
        };
        let call = self.stream.client_once().get_records().shard_iterator(&iterator);
        // Stored before the call, because the caller may drop this future.
        self.iterator = Some(iterator);
        let response = match call.send().await {
            Ok(response) => response,
            Err(error) => {
                let is_expired = error
                    .as_service_error()
                    .is_some_and(GetRecordsError::is_expired_iterator_exception);
                let error = self.stream.error("GetRecords", &error);
                let is_still_valid = matches!(
                    error,
                    StreamError::Throttled { .. } | StreamError::Unreachable { .. }
                );
                if !is_still_valid {
                    self.iterator = None;
                }
                return if is_expired { Ok(None) } else { Err(error) };
            }
        };
        let records = response.records.into_iter();
        let records: Vec<_> = records.map(|r| Record::from_sdk(r, polled_ms)).collect();
        if let Some(last) = records.last() {
            self.next = Start::After(last.sequence.clone());
        }
        self.iterator = response.next_shard_iterator;
        let is_closed = self.iterator.is_none();
        let behind_ms = response.millis_behind_latest.unwrap_or_default();
        let behind_ms = u64::try_from(behind_ms).unwrap_or_default();
        Ok(Some(Batch { records, behind_ms, polled_ms, is_closed }))
    }

    /// Requests an iterator at the reader's position.
    async fn new_iterator(&mut self, now_ms: u64) -> Result<String, StreamError> {
        let call = self.stream.client_once().get_shard_iterator();
        let call = call.stream_name(self.stream.name().as_str()).shard_id(&self.shard);
        let call = match &self.next {
            Start::TrimHorizon => call.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Start::Latest => call.shard_iterator_type(ShardIteratorType::Latest),
            Start::At(ms) => {
                // Kinesis rejects a time in the future.
                let ms = i64::try_from(*ms.min(&now_ms)).unwrap_or(i64::MAX);
                let call = call.shard_iterator_type(ShardIteratorType::AtTimestamp);
                call.timestamp(DateTime::from_millis(ms))
            }
            Start::After(sequence) => {
                let call = call.shard_iterator_type(ShardIteratorType::AfterSequenceNumber);
                call.starting_sequence_number(sequence)
            }
        };
        let response = call.send().await.map_err(|e| self.stream.error("GetShardIterator", &e))?;
        let iterator =
            response.shard_iterator.ok_or_else(|| self.stream.malformed("GetShardIterator"))?;
        self.next = self.next.clone().resumable(now_ms);
        Ok(iterator)
    }
}

impl Batch {
    /// Whether the response shows that the reader has reached the current end of the shard.
    pub fn is_at_end(&self) -> bool {
        self.behind_ms == 0 && self.records.len() < RECORDS_MAX
    }
}

impl Record {
    fn from_sdk(record: aws_sdk_kinesis::types::Record, polled_ms: u64) -> Self {
        Self {
            arrival_ms: record.approximate_arrival_timestamp.map_or(polled_ms, millis),
            sequence: record.sequence_number,
            data: record.data.into_inner().into(),
        }
    }
}
