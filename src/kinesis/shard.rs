//! Reading one shard, from where it was told to begin to its end.

use std::time::Duration;

use aws_sdk_kinesis::operation::get_records::GetRecordsError;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::ShardIteratorType;
use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use super::Start;
use super::stream::{Stream, StreamError, millis};
use crate::aws::backoff;
use crate::log::Clock;

/// Five calls a second are what a shard allows, to all its readers together (Kinesis' API reference,
/// "GetRecords").
const PACE: Duration = Duration::from_millis(200);
/// How long to wait where all is read: three calls a second leave two to others, a Lambda function and a Firehose,
/// which ask once a second each (Kinesis' developer guide, "Shared throughput consumers").
const IDLE: Duration = Duration::from_millis(334);
/// An answer with so many records is cut: there is more.
const RECORDS_MAX: usize = 10_000;

/// A record of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its sequence number.
    pub sequence: String,
    /// When the stream took it in, in ms since the epoch; it may go back by a little.
    pub arrival_ms: u64,
    /// What it holds.
    pub data: Bytes,
}

/// What one call brought: at most 10,000 records or 10 MiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The records, in order; often none, though there are more.
    pub records: Vec<Record>,
    /// How far behind the shard's newest record it is, in ms; 0 where all is read.
    pub behind_ms: u64,
    /// When it was asked for, in ms since the epoch.
    pub polled_ms: u64,
    /// Whether the shard is closed and this was its last: its children may be read.
    pub is_closed: bool,
}

/// Reads one shard; a call at a time, and none that the shard's limits forbid.
#[derive(Debug)]
pub struct ShardReader {
    stream: Stream,
    shard: String,
    /// Where the next iterator begins.
    next: Start,
    iterator: Option<String>,
    clock: Clock,
    /// Before this, nothing is asked for.
    due: Instant,
    /// How many calls failed since one did not.
    failures: u32,
}

impl ShardReader {
    /// Reads `shard` of `stream` from `start` on; `clock` is the wall's.
    pub fn new(stream: Stream, shard: String, start: Start, clock: Clock) -> Self {
        let due = Instant::now();
        Self { stream, shard, next: start, iterator: None, clock, due, failures: 0 }
    }

    /// The shard's id.
    pub fn shard(&self) -> &str {
        &self.shard
    }

    /// Waits until a call may be made, and makes it. Where its iterator expired, the reader goes on behind
    /// the last record.
    ///
    /// # Errors
    /// A call that failed. It may be made again however often: that waits, each time longer, and goes on
    /// where this one would have.
    pub async fn next(&mut self) -> Result<Batch, StreamError> {
        loop {
            sleep_until(self.due).await;
            let asked = Instant::now();
            let answer = self.call().await;
            let wait = match &answer {
                Ok(Some(batch)) if batch.is_all() => IDLE,
                Ok(_) => PACE,
                Err(_) => backoff(PACE, self.failures).max(PACE),
            };
            self.due = asked + wait;
            self.failures = if answer.is_ok() { 0 } else { self.failures.saturating_add(1) };
            if let Some(batch) = answer? {
                return Ok(batch);
            }
        }
    }

    /// Makes a call; none where its iterator had expired.
    async fn call(&mut self) -> Result<Option<Batch>, StreamError> {
        let polled_ms = self.clock.now();
        let iterator = match self.iterator.take() {
            Some(iterator) => iterator,
            None => self.begin(polled_ms).await?,
        };
        let call = self.stream.once().get_records().shard_iterator(&iterator);
        // Kept meanwhile, as whoever waits for this may give up.
        self.iterator = Some(iterator);
        let answer = match call.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let is_expired = error
                    .as_service_error()
                    .is_some_and(GetRecordsError::is_expired_iterator_exception);
                let error = self.stream.error("GetRecords", &error);
                let is_still_good = matches!(
                    error,
                    StreamError::Throttled { .. } | StreamError::Unreachable { .. }
                );
                if !is_still_good {
                    self.iterator = None;
                }
                return if is_expired { Ok(None) } else { Err(error) };
            }
        };
        let records: Vec<_> =
            answer.records.into_iter().map(|r| Record::of(r, polled_ms)).collect();
        if let Some(last) = records.last() {
            self.next = Start::After(last.sequence.clone());
        }
        self.iterator = answer.next_shard_iterator;
        let is_closed = self.iterator.is_none();
        let behind_ms = answer.millis_behind_latest.unwrap_or_default();
        let behind_ms = u64::try_from(behind_ms).unwrap_or_default();
        Ok(Some(Batch { records, behind_ms, polled_ms, is_closed }))
    }

    /// The iterator to begin with where the reader is.
    async fn begin(&mut self, now_ms: u64) -> Result<String, StreamError> {
        let call = self.stream.once().get_shard_iterator();
        let call = call.stream_name(self.stream.name().as_str()).shard_id(&self.shard);
        let call = match &self.next {
            Start::TrimHorizon => call.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Start::Latest => call.shard_iterator_type(ShardIteratorType::Latest),
            Start::At(ms) => {
                // A time to come is refused.
                let ms = i64::try_from(*ms.min(&now_ms)).unwrap_or(i64::MAX);
                let call = call.shard_iterator_type(ShardIteratorType::AtTimestamp);
                call.timestamp(DateTime::from_millis(ms))
            }
            Start::After(sequence) => {
                let call = call.shard_iterator_type(ShardIteratorType::AfterSequenceNumber);
                call.starting_sequence_number(sequence)
            }
        };
        let answer = call.send().await.map_err(|e| self.stream.error("GetShardIterator", &e))?;
        let iterator =
            answer.shard_iterator.ok_or_else(|| self.stream.unclear("GetShardIterator"))?;
        self.next = self.next.clone().resumable(now_ms);
        Ok(iterator)
    }
}

impl Batch {
    /// Whether there was no more to read, as far as can be told.
    pub fn is_all(&self) -> bool {
        self.behind_ms == 0 && self.records.len() < RECORDS_MAX
    }
}

impl Record {
    fn of(record: aws_sdk_kinesis::types::Record, polled_ms: u64) -> Self {
        Self {
            arrival_ms: record.approximate_arrival_timestamp.map_or(polled_ms, millis),
            sequence: record.sequence_number,
            data: record.data.into_inner().into(),
        }
    }
}
