//! Reads one time slice of a shard as lines.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use velodrome_dataflows::RACE_SECONDS_MAX;

use super::decode::for_each_event;
use super::shard_cursor::{Resume, ShardCursor};
use super::shard_reader::{Batch, Record, ShardReader};
use super::stall::Stall;
use super::start::Start;
use super::stream_error::StreamError;
use super::time_slice::{Selection, TimeSlice};
use crate::log::LogLines;

/// How long failing calls are retried. Throttling ends within seconds.
const RETRY_FOR: Duration = Duration::from_secs(60);
/// How far a reader must be past the end of a slice before the slice ends without a later record. It
/// covers the precision of clocks and of arrivals.
const MARGIN_MS: u64 = 5_000;

/// Reads the lines of a slice, each with its record's arrival.
pub(super) struct SliceReader {
    runtime: Handle,
    /// None after the end of the slice.
    reader: Option<ShardReader>,
    /// The number of the slice.
    number: u64,
    slice: TimeSlice,
    /// Receives the position at the end of the slice.
    cursor: Arc<ShardCursor>,
    /// The time of the stream minus the time of this machine.
    clock_offset_ms: i64,
    stall: Stall,
    /// The lines of the current batch.
    text: Vec<u8>,
    /// The number of bytes of `text` that were read.
    read: usize,
}

impl SliceReader {
    /// Reads `slice`, which has this number, from the shard of `reader`, with calls on `runtime`. At the
    /// end of the slice, `cursor` receives the position.
    pub(super) fn new(
        runtime: Handle,
        reader: ShardReader,
        (number, slice): (u64, TimeSlice),
        cursor: Arc<ShardCursor>,
        clock_offset_ms: i64,
    ) -> Self {
        Self {
            runtime,
            reader: Some(reader),
            number,
            slice,
            cursor,
            clock_offset_ms,
            stall: Stall::default(),
            text: Vec::new(),
            read: 0,
        }
    }

    /// Reads the next batch. Returns the reader if the slice continues after it.
    fn read_batch(&mut self, mut reader: ShardReader) -> io::Result<Option<ShardReader>> {
        let before = reader.position().clone();
        let batch = self.next_batch(&mut reader).map_err(io::Error::other)?;
        let selection = self.slice.select(&batch.records);
        write_lines(
            batch.records.get(selection.records.clone()).unwrap_or_default(),
            &mut self.text,
        );
        let Some((next_ms, is_last)) = self.end(&batch, &selection) else {
            self.stall.check(&batch).map_err(io::Error::other)?;
            return Ok(Some(reader));
        };
        if let Some(next) = selection.next {
            let previous = next.checked_sub(1).and_then(|previous| batch.records.get(previous));
            reader.seek(match (previous, before) {
                (Some(previous), _) => Start::After(previous.sequence.clone()),
                (None, before @ Start::After(_)) => before,
                (None, _) => Start::At(next_ms),
            });
        }
        let reader = (!is_last).then_some(reader);
        self.cursor.store(Resume { slice: self.number + 1, next_ms, reader });
        Ok(None)
    }

    /// If the slice ends in this batch: a time at or after which all later records arrived, and whether
    /// the shard has none.
    fn end(&self, batch: &Batch, selection: &Selection) -> Option<(u64, bool)> {
        if let Some(next) = selection.next.and_then(|next| batch.records.get(next)) {
            return Some((next.arrival_ms, false));
        }
        if batch.is_closed {
            return Some((u64::MAX, true));
        }
        // All records that arrived before this time were returned.
        let read_ms = batch.polled_ms.saturating_sub(batch.behind_ms);
        let read_ms = read_ms.saturating_add_signed(self.clock_offset_ms).saturating_sub(MARGIN_MS);
        let end_ms = self.slice.end_ms();
        let has_ended = read_ms >= end_ms || batch.is_at_end();
        has_ended.then_some((read_ms.max(end_ms), false))
    }

    fn next_batch(&self, reader: &mut ShardReader) -> Result<Batch, StreamError> {
        let began = Instant::now();
        loop {
            match self.runtime.block_on(reader.next()) {
                Err(error) if !error.is_final() && began.elapsed() < RETRY_FOR => {}
                result => return result,
            }
        }
    }
}

impl Read for SliceReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.read == self.text.len()
            && let Some(reader) = self.reader.take()
        {
            self.text.clear();
            self.read = 0;
            self.reader = self.read_batch(reader)?;
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

    use super::*;

    #[test]
    fn lines_have_their_arrivals_and_invalid_lines_are_unchanged() {
        let record = |sequence: usize, arrival_ms: u64, data: &str| {
            let data = Bytes::copy_from_slice(data.as_bytes());
            Record { sequence: sequence.to_string(), arrival_ms, data }
        };
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
}
