//! A stream as the input of a replay: its shards, from the oldest record that they hold to the newest, in slices
//! of time.
//!
//! All shards of a slice come before those of the next. So the event clock, which only goes forward, is no more
//! than a slice ahead of any of them, and no ride is too old to be repaired when its last samples come.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use velodrome_dataflows::{RACE_SECONDS_MAX, REPAIR_MS};

use super::decode::each;
use super::shard::{Batch, Record, ShardReader};
use super::stream::{Stream, StreamError};
use super::{SourceError, Start, StreamName};
use crate::ingest::inputs::{Input, InputKind, Origin, Parts};
use crate::log::{Clock, Lines};
use crate::remote::Remote;

/// How long a slice is: half as long as a ride that is over can be repaired.
const SLICE_MS: u64 = REPAIR_MS / 2;
/// For how long a call is made again that fails: throttling passes in seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Finds the stream `name`, as it is now.
///
/// Blocks the thread, which must not be one of a runtime.
///
/// # Errors
/// A stream that cannot be described or listed.
pub fn input(name: &StreamName, remote: &Remote) -> Result<Input, SourceError> {
    let aws = remote.aws()?;
    let (stream, runtime) = (Stream::new(aws.config(), name.clone()), aws.runtime().clone());
    let summary = runtime.block_on(stream.describe())?;
    let shards = runtime.block_on(stream.shards())?;
    // Ids ascend as shards are made, so children come behind their parents.
    let shards: Vec<_> = shards.into_iter().map(|shard| shard.id).collect();
    let now_ms = Clock::system().now();
    let oldest_ms = summary.created_ms.max(now_ms.saturating_sub(summary.retention_ms));
    // Counted from when it was made, as all processes of a run must count alike.
    let (count, begin_ms) = (slices(now_ms.saturating_sub(summary.created_ms)), summary.created_ms);
    let parts = count * shards.len() as u64;
    let recorded = Recorded { stream, runtime, shards, begin_ms, oldest_ms, count };
    let origin = Origin::Parts(Arc::new(recorded));
    Ok(Input { origin, kind: InputKind::Parts(parts), bytes: 0 })
}

/// How many slices `ms` and what comes next take.
fn slices(ms: u64) -> u64 {
    ms / SLICE_MS + 1
}

/// A stream as it was when the run began.
#[derive(Debug)]
struct Recorded {
    stream: Stream,
    runtime: Handle,
    shards: Vec<String>,
    /// When the first slice begins.
    begin_ms: u64,
    /// Before this, the stream holds nothing any more.
    oldest_ms: u64,
    /// How many slices there are.
    count: u64,
}

impl Parts for Recorded {
    fn name(&self) -> String {
        self.stream.name().to_string()
    }

    fn open(&self, part: u64) -> io::Result<Box<dyn Read>> {
        let shards = self.shards.len() as u64;
        let (Some(number), Some(at)) = (part.checked_div(shards), part.checked_rem(shards)) else {
            return Ok(Box::new(io::empty()));
        };
        let Some(shard) = self.shards.get(at as usize) else { return Ok(Box::new(io::empty())) };
        let from_ms = self.begin_ms + number * SLICE_MS;
        // The last one goes on to where the shard is now.
        let is_last = number + 1 == self.count;
        let until_ms = if is_last { u64::MAX } else { from_ms + SLICE_MS };
        if until_ms <= self.oldest_ms {
            return Ok(Box::new(io::empty()));
        }
        let start = if number == 0 { Start::TrimHorizon } else { Start::At(from_ms) };
        let clock = Clock::system();
        let reader = ShardReader::new(self.stream.clone(), shard.clone(), start, clock);
        let slice = Slice { span: from_ms..until_ms, is_begun: number == 0, is_ended: false };
        let runtime = self.runtime.clone();
        Ok(Box::new(SliceReader { runtime, reader, slice, text: Vec::new(), read: 0 }))
    }
}

/// What of a shard is of a slice: from the first record that arrived in it or later, up to the first that
/// arrived after it. So each record is of one slice, also where arrivals go back.
struct Slice {
    span: Range<u64>,
    is_begun: bool,
    is_ended: bool,
}

impl Slice {
    /// The records of the slice among the next of the shard.
    fn of<'a>(&mut self, records: &'a [Record]) -> &'a [Record] {
        let from = |ms| move |record: &Record| record.arrival_ms >= ms;
        let begin = match self.is_begun {
            true => Some(0),
            false => records.iter().position(from(self.span.start)),
        };
        let Some(begin) = begin else { return &[] };
        self.is_begun = true;
        let records = records.get(begin..).unwrap_or_default();
        let end = records.iter().position(from(self.span.end));
        self.is_ended = end.is_some();
        records.get(..end.unwrap_or(records.len())).unwrap_or_default()
    }
}

/// The lines of a slice, each with its record's arrival.
struct SliceReader {
    runtime: Handle,
    reader: ShardReader,
    slice: Slice,
    /// Lines, of which so many bytes were read.
    text: Vec<u8>,
    read: usize,
}

impl Read for SliceReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.read == self.text.len() && !self.slice.is_ended {
            let batch = self.next_batch().map_err(io::Error::other)?;
            self.text.clear();
            self.read = 0;
            write_lines(self.slice.of(&batch.records), &mut self.text);
            self.slice.is_ended |= batch.is_closed || batch.is_all();
        }
        let read = self.text.get(self.read..).unwrap_or_default().read(out)?;
        self.read += read;
        Ok(read)
    }
}

impl SliceReader {
    fn next_batch(&mut self) -> Result<Batch, StreamError> {
        let began = Instant::now();
        loop {
            match self.runtime.block_on(self.reader.next()) {
                Err(error @ (StreamError::Missing { .. } | StreamError::Denied { .. })) => {
                    return Err(error);
                }
                Err(_) if began.elapsed() < PATIENCE => {}
                answer => return answer,
            }
        }
    }
}

/// Writes the lines of `records` as a log has them; what it would not take, as it came.
fn write_lines(records: &[Record], text: &mut Vec<u8>) {
    let mut lines = Lines::new();
    let drain = |lines: &mut Lines, text: &mut Vec<u8>| {
        lines.arrive_as_told();
        text.extend_from_slice(lines.text());
        *lines = Lines::new();
    };
    each(records, RACE_SECONDS_MAX, |record, line, taken| match taken {
        Ok((_, event)) => _ = lines.push_at(&event, record.arrival_ms),
        Err(_) => {
            drain(&mut lines, text);
            text.extend_from_slice(line);
            text.push(b'\n');
        }
    });
    drain(&mut lines, text);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn record(sequence: usize, arrival_ms: u64, data: &str) -> Record {
        let data = Bytes::copy_from_slice(data.as_bytes());
        Record { sequence: sequence.to_string(), arrival_ms, data }
    }

    #[test]
    fn lines_have_their_records_arrivals_and_what_is_no_event_stays_as_it_came() {
        let view = |uuid| {
            format!(r#"{{"event":"view","uuid":"{uuid}","projectId":"p","deviceTimestamp":1}}"#)
        };
        let (one, two) = (view("1"), view("2"));
        let first_ms = 1_620_240_000_000;
        let records = [
            record(0, first_ms, &one),
            record(1, first_ms + 1, &format!("no event\n\n{two}")),
            record(2, first_ms + 2, "{}"),
        ];
        let mut text = Vec::new();
        write_lines(&records, &mut text);
        let arrived = |line: &str, ms: u64| {
            format!(r#"{},"arrivalTimestamp":{ms}}}"#, line.strip_suffix('}').unwrap())
        };
        let expected =
            [&arrived(&one, first_ms), "no event", &arrived(&two, first_ms + 1), "{}"].join("\n");
        assert_eq!(String::from_utf8(text).unwrap(), expected + "\n");
    }

    proptest! {
        #[test]
        fn each_record_is_of_one_slice_in_order_however_they_are_cut_and_arrive(
            arrivals in prop::collection::vec(0..5 * SLICE_MS, 0..50),
            size in 1..20_usize,
            early in 0..3_usize,
        ) {
            let records: Vec<_> =
                arrivals.iter().enumerate().map(|(n, ms)| record(n, *ms, "")).collect();
            let mut read = Vec::new();
            for number in 0..5 {
                let span = number * SLICE_MS..if number == 4 { u64::MAX } else { (number + 1) * SLICE_MS };
                // An iterator at a time begins with the first record of that time or later, or a little before.
                let at = records.iter().position(|record| record.arrival_ms >= span.start);
                let at = if number == 0 { 0 } else { at.unwrap_or(records.len()).saturating_sub(early) };
                let mut slice = Slice { span, is_begun: number == 0, is_ended: false };
                for batch in records[at..].chunks(size) {
                    if !slice.is_ended {
                        read.extend(slice.of(batch).iter().map(|record| record.sequence.clone()));
                    }
                }
            }
            let all: Vec<_> = (0..records.len()).map(|number| number.to_string()).collect();
            prop_assert_eq!(read, all);
        }
    }
}
