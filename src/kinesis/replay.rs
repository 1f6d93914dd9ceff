//! A stream as the input of a replay: all records of its shards, in time slices.
//!
//! All shards of a slice are read before the next slice. So the event clock, which never goes back, is
//! at most one slice ahead of any shard, and rides can still be repaired when their last samples arrive.

use std::io::{self, Read};
use std::sync::Arc;

use futures_util::{TryStreamExt, stream};
use tokio::runtime::Handle;
use velodrome_dataflows::REPAIR_WINDOW_MS;

use super::name::StreamName;
use super::shard_cursor::{Resume, ShardCursor, SliceStart};
use super::shard_reader::ShardReader;
use super::shards::Shard;
use super::slice_reader::SliceReader;
use super::source::SourceError;
use super::start::Start;
use super::stream::Stream;
use super::stream_error::StreamError;
use super::time_slice::TimeSlice;
use crate::ingest::inputs::{Input, InputKind, Origin, PartSource};
use crate::lazy_aws::LazyAws;
use crate::log::Clock;

/// The length of a slice: half of the repair window.
const SLICE_MS: u64 = REPAIR_WINDOW_MS / 2;
/// A run plans complete days, so that processes that start within seconds plan the same slices, except
/// around the end of a day.
const DAY_MS: u64 = 48 * SLICE_MS;
/// The number of closed shards whose oldest records are requested at a time.
const PROBES_MAX: usize = 32;

/// The stream `name` as an input, as it is now.
///
/// Blocks the thread, which must not belong to a runtime.
///
/// # Errors
/// The stream cannot be described, or its shards cannot be listed.
pub fn input(name: &StreamName, lazy_aws: &LazyAws) -> Result<Input, SourceError> {
    let aws = lazy_aws.get()?;
    let stream = Stream::new(aws.config(), name.clone());
    let recorded = aws.runtime().block_on(RecordedStream::open(stream, aws.runtime().clone()))?;
    let kind = InputKind::Parts(recorded.parts());
    Ok(Input { origin: Origin::Parts(Arc::new(recorded)), kind, bytes: 0 })
}

/// A stream as it was when the run began.
#[derive(Debug)]
pub(super) struct RecordedStream {
    stream: Stream,
    runtime: Handle,
    /// The shards, and where their slices resume. Children come after their parents, because ids ascend
    /// in the order of creation.
    shards: Vec<(Shard, Arc<ShardCursor>)>,
    /// The time of the stream minus the time of this machine.
    clock_offset_ms: i64,
    /// The start of the first slice.
    begin_ms: u64,
    /// When the run began. Later records are not read.
    end_ms: u64,
}

impl RecordedStream {
    /// Describes the stream and lists its shards. Later calls run on `runtime`.
    pub(super) async fn open(stream: Stream, runtime: Handle) -> Result<Self, StreamError> {
        let summary = stream.describe().await?;
        let listed = stream.shards().await?;
        let end_ms = Clock::system().now().saturating_add_signed(summary.clock_offset_ms);
        let oldest_ms = end_ms.saturating_sub(summary.retention_ms).max(summary.created_ms);
        let begin_ms = oldest_ms - (oldest_ms - summary.created_ms) % DAY_MS;
        let shards = listed.into_iter().map(|shard| (shard, Arc::default())).collect();
        let clock_offset_ms = summary.clock_offset_ms;
        let recorded = Self { stream, runtime, shards, clock_offset_ms, begin_ms, end_ms };
        // An error only means that slices have to find this out. They also report the error.
        recorded.probe().await.unwrap_or_default();
        Ok(recorded)
    }

    /// Requests the oldest record of each closed shard. An old stream can have thousands of them, most of
    /// them empty, and each would have to be read before the first event.
    async fn probe(&self) -> Result<(), StreamError> {
        let closed = self.shards.iter().filter(|(shard, _)| !shard.is_open).map(Ok);
        let probe = async |(shard, cursor): &(Shard, Arc<ShardCursor>)| {
            let oldest_ms = self.stream.oldest_arrival(&shard.id).await?;
            let reader = oldest_ms.map(|_| self.reader(shard, Start::TrimHorizon));
            cursor.store(Resume { slice: 0, next_ms: oldest_ms.unwrap_or(u64::MAX), reader });
            Ok(())
        };
        stream::iter(closed).try_for_each_concurrent(PROBES_MAX, probe).await
    }

    /// The number of parts. Each is one slice of one shard. They are ordered by slice, then by shard.
    pub(super) fn parts(&self) -> u64 {
        let days = self.end_ms.saturating_sub(self.begin_ms) / DAY_MS + 1;
        days * (DAY_MS / SLICE_MS) * self.shards.len() as u64
    }

    fn reader(&self, shard: &Shard, start: Start) -> ShardReader {
        ShardReader::new(self.stream.clone(), shard.id.clone(), start, Clock::system())
    }
}

impl PartSource for RecordedStream {
    fn name(&self) -> String {
        self.stream.name().to_string()
    }

    fn open(&self, part: u64) -> io::Result<Box<dyn Read>> {
        let shards = self.shards.len() as u64;
        let (Some(number), Some(at)) = (part.checked_div(shards), part.checked_rem(shards)) else {
            return Ok(Box::new(io::empty()));
        };
        let Some((shard, cursor)) = self.shards.get(at as usize) else {
            return Ok(Box::new(io::empty()));
        };
        let begin_ms = self.begin_ms + number * SLICE_MS;
        let span_ms = begin_ms..self.end_ms.min(begin_ms + SLICE_MS);
        if span_ms.is_empty() {
            return Ok(Box::new(io::empty()));
        }
        let reader = match cursor.start(number, &span_ms) {
            SliceStart::Empty => return Ok(Box::new(io::empty())),
            SliceStart::Resume(reader) => reader,
            SliceStart::Unknown if number == 0 => self.reader(shard, Start::TrimHorizon),
            SliceStart::Unknown => self.reader(shard, Start::At(begin_ms)),
        };
        // An iterator at a time may start a bit earlier, in the previous slice.
        let has_begun = !matches!(reader.position(), Start::At(_));
        let slice = (number, TimeSlice::new(span_ms, has_begun));
        let (runtime, offset_ms) = (self.runtime.clone(), self.clock_offset_ms);
        Ok(Box::new(SliceReader::new(runtime, reader, slice, Arc::clone(cursor), offset_ms)))
    }
}
