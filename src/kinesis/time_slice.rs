//! One time slice of a shard, read as lines.

use std::io::{self, Read};
use std::ops::Range;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use velodrome_dataflows::RACE_SECONDS_MAX;

use super::decode::for_each_event;
use super::shard_reader::{Batch, Record, ShardReader};
use super::stream::StreamError;
use crate::log::LogLines;

/// How long failing calls are retried. Throttling ends within seconds.
const RETRY_FOR: Duration = Duration::from_secs(60);

/// Selects the records of one slice from those of a shard.
///
/// A slice begins at the first record that arrived in its time span or later, and ends before the first
/// record that arrived after the span. So each record belongs to exactly one slice, even where arrivals
/// decrease.
pub(super) struct TimeSlice {
    span_ms: Range<u64>,
    has_begun: bool,
    has_ended: bool,
}

impl TimeSlice {
    /// The slice with the arrivals in `span_ms`. The first slice of a shard begins at its first record.
    pub(super) fn new(span_ms: Range<u64>, is_first: bool) -> Self {
        Self { span_ms, has_begun: is_first, has_ended: false }
    }

    /// The records of the slice among the shard's next `records`.
    fn select<'a>(&mut self, records: &'a [Record]) -> &'a [Record] {
        let from = |ms| move |record: &Record| record.arrival_ms >= ms;
        let begin = match self.has_begun {
            true => Some(0),
            false => records.iter().position(from(self.span_ms.start)),
        };
        let Some(begin) = begin else { return &[] };
        self.has_begun = true;
        let records = records.get(begin..).unwrap_or_default();
        let end = records.iter().position(from(self.span_ms.end));
        self.has_ended = end.is_some();
        records.get(..end.unwrap_or(records.len())).unwrap_or_default()
    }
}

/// Reads the lines of a slice, each with its record's arrival.
pub(super) struct SliceReader {
    runtime: Handle,
    reader: ShardReader,
    slice: TimeSlice,
    /// The lines of the current batch.
    text: Vec<u8>,
    /// The number of bytes of `text` that were read.
    read: usize,
}

impl SliceReader {
    /// Reads `slice` from the shard of `reader`, with calls on `runtime`.
    pub(super) fn new(runtime: Handle, reader: ShardReader, slice: TimeSlice) -> Self {
        Self { runtime, reader, slice, text: Vec::new(), read: 0 }
    }

    fn next_batch(&mut self) -> Result<Batch, StreamError> {
        let began = Instant::now();
        loop {
            match self.runtime.block_on(self.reader.next()) {
                Err(error @ (StreamError::NotFound { .. } | StreamError::Denied { .. })) => {
                    return Err(error);
                }
                Err(_) if began.elapsed() < RETRY_FOR => {}
                result => return result,
            }
        }
    }
}

impl Read for SliceReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.read == self.text.len() && !self.slice.has_ended {
            let batch = self.next_batch().map_err(io::Error::other)?;
            self.text.clear();
            self.read = 0;
            write_lines(self.slice.select(&batch.records), &mut self.text);
            self.slice.has_ended |= batch.is_closed || batch.is_at_end();
        }
        let read = self.text.get(self.read..).unwrap_or_default().read(out)?;
        self.read += read;
        Ok(read)
    }
}

/// Writes the lines of `records` in the format of the log. Lines that a log would reject are written as
/// received.
fn write_lines(records: &[Record], text: &mut Vec<u8>) {
    let mut lines = LogLines::new();
    let drain = |lines: &mut LogLines, text: &mut Vec<u8>| {
        lines.stamp_recorded();
        text.extend_from_slice(lines.text());
        *lines = LogLines::new();
    };
    for_each_event(records, RACE_SECONDS_MAX, |record, line, result| match result {
        Ok((_, event)) => _ = lines.push_arrived(&event, record.arrival_ms),
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

    const SLICE_MS: u64 = 1_000;

    fn record(sequence: usize, arrival_ms: u64, data: &str) -> Record {
        let data = Bytes::copy_from_slice(data.as_bytes());
        Record { sequence: sequence.to_string(), arrival_ms, data }
    }

    #[test]
    fn lines_have_their_arrivals_and_invalid_lines_are_unchanged() {
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
        fn each_record_belongs_to_one_slice_and_order_is_kept(
            arrivals in prop::collection::vec(0..5 * SLICE_MS, 0..50),
            size in 1..20_usize,
            early in 0..3_usize,
        ) {
            let records: Vec<_> =
                arrivals.iter().enumerate().map(|(n, ms)| record(n, *ms, "")).collect();
            let mut read = Vec::new();
            for number in 0..5 {
                let end_ms = if number == 4 { u64::MAX } else { (number + 1) * SLICE_MS };
                let mut slice = TimeSlice::new(number * SLICE_MS..end_ms, number == 0);
                // An iterator at a time starts at the first record that arrived then or later, or a bit
                // earlier.
                let at = records.iter().position(|record| record.arrival_ms >= number * SLICE_MS);
                let at = if number == 0 { 0 } else { at.unwrap_or(records.len()).saturating_sub(early) };
                for batch in records[at..].chunks(size) {
                    if !slice.has_ended {
                        read.extend(slice.select(batch).iter().map(|record| record.sequence.clone()));
                    }
                }
            }
            let all: Vec<_> = (0..records.len()).map(|number| number.to_string()).collect();
            prop_assert_eq!(read, all);
        }
    }
}
