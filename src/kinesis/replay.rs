//! A stream as the input of a replay: all records of its shards, in time slices.
//!
//! All shards of a slice are read before the next slice. So the event clock, which never goes back, is
//! at most one slice ahead of any shard, and rides can still be repaired when their last samples arrive.

use std::io::{self, Read};
use std::sync::Arc;

use tokio::runtime::Handle;
use velodrome_dataflows::REPAIR_WINDOW_MS;

use super::name::StreamName;
use super::shard_reader::ShardReader;
use super::source::SourceError;
use super::start::Start;
use super::stream::Stream;
use super::time_slice::{SliceReader, TimeSlice};
use crate::ingest::inputs::{Input, InputKind, Origin, PartSource};
use crate::lazy_aws::LazyAws;
use crate::log::Clock;

/// The length of a slice: half of the repair window.
const SLICE_MS: u64 = REPAIR_WINDOW_MS / 2;

/// The stream `name` as an input, as it is now.
///
/// Blocks the thread, which must not belong to a runtime.
///
/// # Errors
/// The stream cannot be described, or its shards cannot be listed.
pub fn input(name: &StreamName, lazy_aws: &LazyAws) -> Result<Input, SourceError> {
    let aws = lazy_aws.get()?;
    let (stream, runtime) = (Stream::new(aws.config(), name.clone()), aws.runtime().clone());
    let summary = runtime.block_on(stream.describe())?;
    let shards = runtime.block_on(stream.shards())?;
    // Ids ascend in the order of creation, so children come after their parents.
    let shards: Vec<_> = shards.into_iter().map(|shard| shard.id).collect();
    let now_ms = Clock::system().now();
    let oldest_ms = summary.created_ms.max(now_ms.saturating_sub(summary.retention_ms));
    // Slices are counted from the creation of the stream, so that all processes of a run use the same
    // numbers.
    let begin_ms = summary.created_ms;
    let count = now_ms.saturating_sub(begin_ms) / SLICE_MS + 1;
    let parts = count * shards.len() as u64;
    let recorded = RecordedStream { stream, runtime, shards, begin_ms, oldest_ms, count };
    let origin = Origin::Parts(Arc::new(recorded));
    Ok(Input { origin, kind: InputKind::Parts(parts), bytes: 0 })
}

/// A stream as it was when the run began.
#[derive(Debug)]
struct RecordedStream {
    stream: Stream,
    runtime: Handle,
    shards: Vec<String>,
    /// The start of the first slice.
    begin_ms: u64,
    /// The stream has dropped all records that arrived before this.
    oldest_ms: u64,
    /// The number of slices.
    count: u64,
}

impl PartSource for RecordedStream {
    fn name(&self) -> String {
        self.stream.name().to_string()
    }

    /// Opens a part, which is one slice of one shard. Parts are ordered by slice, then by shard.
    fn open(&self, part: u64) -> io::Result<Box<dyn Read>> {
        let shards = self.shards.len() as u64;
        let (Some(number), Some(at)) = (part.checked_div(shards), part.checked_rem(shards)) else {
            return Ok(Box::new(io::empty()));
        };
        let Some(shard) = self.shards.get(at as usize) else { return Ok(Box::new(io::empty())) };
        let from_ms = self.begin_ms + number * SLICE_MS;
        // The last slice continues to the current end of the shard.
        let is_last = number + 1 == self.count;
        let until_ms = if is_last { u64::MAX } else { from_ms + SLICE_MS };
        if until_ms <= self.oldest_ms {
            return Ok(Box::new(io::empty()));
        }
        let is_first = number == 0;
        let start = if is_first { Start::TrimHorizon } else { Start::At(from_ms) };
        let clock = Clock::system();
        let reader = ShardReader::new(self.stream.clone(), shard.clone(), start, clock);
        let slice = TimeSlice::new(from_ms..until_ms, is_first);
        Ok(Box::new(SliceReader::new(self.runtime.clone(), reader, slice)))
    }
}
