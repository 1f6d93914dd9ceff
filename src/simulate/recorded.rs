//! The events of files, to be sent as those of a workload are.

use std::path::PathBuf;
use std::{io, iter, vec};

use indicatif::ProgressBar;
use memchr::memchr;
use serde::Deserialize;
use thiserror::Error;

use super::Batch;
use crate::ingest::inputs::{self, Input, InputError};
use crate::ingest::lines::{Block, LINE_BYTES_MAX, Lines};
use crate::ingest::units::{self, Unit, UnitReader};
use crate::remote::Remote;

/// Lines of files, in the order that a replay takes them.
#[derive(Clone, Debug)]
pub struct Recorded {
    inputs: Vec<Input>,
}

/// A file whose events cannot be sent.
#[derive(Debug, Error)]
pub enum RecordedError {
    /// It cannot be read to its end.
    #[error("cannot read '{0}': {1}")]
    Read(String, io::Error),
    /// A line that nobody takes.
    #[error(
        "'{0}' has a line of more than {LINE_BYTES_MAX} bytes, which no event has; take it out"
    )]
    Oversized(String),
}

impl Recorded {
    /// Lists the files and objects of `paths`, as a replay does.
    ///
    /// # Errors
    /// A path that is missing or cannot be read; directories that hold no file at all.
    pub fn list(paths: &[PathBuf], remote: &Remote) -> Result<Self, InputError> {
        Ok(Self { inputs: inputs::list(paths, remote)? })
    }

    /// The lines, some 256 KiB at a time, until a file cannot be read.
    ///
    /// A line arrives when a log took it, or at its device's time, where none did; but never before one that
    /// is ahead of it. Before the first line that tells its time, all arrive at 0.
    pub(super) fn batches(&self) -> impl Iterator<Item = Result<Batch, RecordedError>> {
        let units = units::units(&self.inputs).into_iter();
        let mut reading = Reading { inputs: &self.inputs, units, open: None, arrival_ms: 0 };
        iter::from_fn(move || reading.next_batch().transpose())
    }
}

/// Files on their way.
struct Reading<'a> {
    inputs: &'a [Input],
    units: vec::IntoIter<Unit>,
    /// The unit at hand, and of which input it is.
    open: Option<(&'a Input, Lines<UnitReader>)>,
    /// When the last line arrived.
    arrival_ms: u64,
}

impl<'a> Reading<'a> {
    /// The next lines; none where all were told.
    fn next_batch(&mut self) -> Result<Option<Batch>, RecordedError> {
        loop {
            let Some((input, lines)) = &mut self.open else {
                let Some(unit) = self.units.next() else { return Ok(None) };
                self.open =
                    self.inputs.get(unit.input).map(|input| open(input, unit)).transpose()?;
                continue;
            };
            match lines.next_block() {
                Block::Lines(block) => {
                    return Ok(Some(batch(block, &mut self.arrival_ms)));
                }
                Block::End => self.open = None,
                Block::Oversized(_) => {
                    return Err(RecordedError::Oversized(input.name().into_owned()));
                }
                Block::Damaged(error, _) => {
                    return Err(RecordedError::Read(input.name().into_owned(), error));
                }
            }
        }
    }
}

fn open(input: &Input, unit: Unit) -> Result<(&Input, Lines<UnitReader>), RecordedError> {
    let lines = units::open(input, unit, &ProgressBar::hidden());
    Ok((input, lines.map_err(|error| RecordedError::Read(input.name().into_owned(), error))?))
}

/// The lines of a block but for empty ones, each with its newline; `arrival_ms` is that of the last line, before
/// and after.
fn batch(block: &[u8], arrival_ms: &mut u64) -> Batch {
    let mut batch = Batch { text: Vec::with_capacity(block.len() + 1), ends: Vec::new() };
    let mut rest = block;
    while !rest.is_empty() {
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default();
        rest = rest.get(end + 1..).unwrap_or_default();
        if line.trim_ascii().is_empty() {
            continue;
        }
        *arrival_ms = time(line).unwrap_or_default().max(*arrival_ms);
        batch.text.extend_from_slice(line);
        batch.text.push(b'\n');
        batch.ends.push((*arrival_ms, batch.text.len()));
    }
    batch
}

/// The time that a line tells, in ms since the epoch.
fn time(line: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Times {
        arrival_timestamp: Option<u64>,
        device_timestamp: Option<u64>,
    }
    let times: Times = serde_json::from_slice(line).ok()?;
    times.arrival_timestamp.or(times.device_timestamp)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<Vec<(u64, String)>, RecordedError> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(root.path().join(name), text).unwrap();
        }
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let remote = Remote::new(None, runtime.handle().clone());
        let recorded = Recorded::list(&[root.path().to_owned()], &remote).unwrap();
        let mut told = Vec::new();
        for batch in recorded.batches() {
            for line in batch?.lines() {
                told.push((line.arrival_ms, String::from_utf8(line.bytes.to_vec()).unwrap()));
            }
        }
        Ok(told)
    }

    #[test]
    fn lines_of_files_arrive_in_order_at_the_times_that_they_tell() {
        let told = read(&[
            ("2.jsonl", "{\"deviceTimestamp\":30}\n"),
            ("1.jsonl", "no event\n\n{\"deviceTimestamp\":20}\n \n{\"deviceTimestamp\":10}"),
            ("3.jsonl", "{\"deviceTimestamp\":70,\"arrivalTimestamp\":50}\r\n"),
        ]);
        let lines = [
            (0, "no event\n"),
            (20, "{\"deviceTimestamp\":20}\n"),
            (20, "{\"deviceTimestamp\":10}\n"),
            (30, "{\"deviceTimestamp\":30}\n"),
            (50, "{\"deviceTimestamp\":70,\"arrivalTimestamp\":50}\r\n"),
        ];
        assert_eq!(told.unwrap(), lines.map(|(ms, line)| (ms, line.to_owned())));
    }

    #[test]
    fn a_file_that_is_damaged_or_has_too_long_a_line_is_named() {
        let long = "x".repeat(LINE_BYTES_MAX + 1);
        for (name, text, part) in
            [("damaged.gz", "no gzip", "cannot read"), ("long.jsonl", &long, "has a line of more")]
        {
            let error = read(&[("0.jsonl", "{}"), (name, text)]).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains(name), "{error}");
        }
    }
}
