//! Recorded events: the lines of files, in batches like those of a workload.

use std::path::PathBuf;
use std::{io, iter, vec};

use indicatif::ProgressBar;
use serde::Deserialize;
use thiserror::Error;

use super::batch::Batch;
use crate::ingest::inputs::{self, Input, InputError};
use crate::ingest::lines::{LINE_BYTES_MAX, LineBlock, LineReader};
use crate::ingest::objects::objects;
use crate::ingest::streams;
use crate::ingest::units::{self, Unit, UnitReader};
use crate::lazy_aws::LazyAws;

/// The lines of files, in the order in which a replay reads them.
#[derive(Clone, Debug)]
pub struct RecordedEvents {
    inputs: Vec<Input>,
}

/// A file whose lines cannot be sent.
#[derive(Debug, Error)]
pub enum RecordedError {
    /// The file cannot be read to its end.
    #[error("cannot read '{0}': {1}")]
    Read(String, io::Error),
    /// The file has a line that no service accepts.
    #[error(
        "'{0}' has a line of more than {LINE_BYTES_MAX} bytes, the maximum of an event; remove the line"
    )]
    Oversized(String),
}

impl RecordedEvents {
    /// Lists the files and objects of `paths`, as a replay does.
    ///
    /// # Errors
    /// If a path is missing or cannot be read, if directories have no file, or if a stream is repeated.
    pub fn list(paths: &[PathBuf], lazy_aws: &LazyAws) -> Result<Self, InputError> {
        let inputs = inputs::list(paths, lazy_aws)?;
        streams::check(&inputs, [], 0)?;
        Ok(Self { inputs })
    }

    /// The lines in batches of about 256 KiB, until a file cannot be read.
    ///
    /// The arrival of a line is its `arrivalTimestamp`, which a log adds, or else its `deviceTimestamp`.
    /// It is never before the arrival of an earlier line. Lines before the first one with a time arrive
    /// at 0.
    pub(super) fn batches(&self) -> impl Iterator<Item = Result<Batch, RecordedError>> {
        let units = units::units(&self.inputs).into_iter();
        let mut reader = Reader { inputs: &self.inputs, units, open: None, arrival_ms: 0 };
        iter::from_fn(move || reader.next_batch().transpose())
    }
}

/// Reads the lines of the inputs in order.
struct Reader<'a> {
    inputs: &'a [Input],
    units: vec::IntoIter<Unit>,
    /// The current unit and its input.
    open: Option<(&'a Input, LineReader<UnitReader>)>,
    /// The arrival of the last line.
    arrival_ms: u64,
}

impl<'a> Reader<'a> {
    /// The next lines, or `None` at the end.
    fn next_batch(&mut self) -> Result<Option<Batch>, RecordedError> {
        loop {
            let Some((input, lines)) = &mut self.open else {
                let Some(unit) = self.units.next() else { return Ok(None) };
                self.open =
                    self.inputs.get(unit.input).map(|input| open(input, unit)).transpose()?;
                continue;
            };
            match lines.next_block() {
                LineBlock::Lines(block) => {
                    return Ok(Some(batch(block, &mut self.arrival_ms)));
                }
                LineBlock::End => self.open = None,
                LineBlock::Oversized(_) => {
                    return Err(RecordedError::Oversized(input.name().into_owned()));
                }
                LineBlock::Damaged(error, _) => {
                    return Err(RecordedError::Read(input.name().into_owned(), error));
                }
            }
        }
    }
}

fn open(input: &Input, unit: Unit) -> Result<(&Input, LineReader<UnitReader>), RecordedError> {
    let lines = units::open(input, unit, &ProgressBar::hidden());
    Ok((input, lines.map_err(|error| RecordedError::Read(input.name().into_owned(), error))?))
}

/// The events of a block, one on each line. `arrival_ms` is the arrival of the previous line, and is
/// set to that of the last one.
pub(super) fn batch(block: &[u8], arrival_ms: &mut u64) -> Batch {
    let mut batch = Batch { text: Vec::with_capacity(block.len() + 1), ends: Vec::new() };
    for event in block.split(|byte| *byte == b'\n').flat_map(objects) {
        *arrival_ms = time(event).unwrap_or_default().max(*arrival_ms);
        batch.text.extend_from_slice(event);
        batch.text.push(b'\n');
        batch.ends.push((*arrival_ms, batch.text.len()));
    }
    batch
}

/// The time in a line, in ms since the epoch.
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
        let lazy_aws = LazyAws::new(None, runtime.handle().clone());
        let recorded = RecordedEvents::list(&[root.path().to_owned()], &lazy_aws).unwrap();
        let mut lines = Vec::new();
        for batch in recorded.batches() {
            for line in batch?.lines() {
                lines.push((line.arrival_ms, String::from_utf8(line.bytes.to_vec()).unwrap()));
            }
        }
        Ok(lines)
    }

    #[test]
    fn lines_arrive_in_order_at_the_times_in_them() {
        let read = read(&[
            ("2.jsonl", "{\"deviceTimestamp\":30}\n"),
            ("1.jsonl", "no event\n\n{\"deviceTimestamp\":20}\n \n{\"deviceTimestamp\":10}"),
            ("3.jsonl", "{\"deviceTimestamp\":70,\"arrivalTimestamp\":50}\r\n"),
        ]);
        let lines = [
            (0, "no event\n"),
            (20, "{\"deviceTimestamp\":20}\n"),
            (20, "{\"deviceTimestamp\":10}\n"),
            (30, "{\"deviceTimestamp\":30}\n"),
            (50, "{\"deviceTimestamp\":70,\"arrivalTimestamp\":50}\n"),
        ];
        assert_eq!(read.unwrap(), lines.map(|(ms, line)| (ms, line.to_owned())));
    }

    #[test]
    fn a_damaged_file_and_one_with_an_oversized_line_are_named() {
        let long = "x".repeat(LINE_BYTES_MAX + 1);
        for (name, text, part) in
            [("damaged.gz", "no gzip", "cannot read"), ("long.jsonl", &long, "has a line of more")]
        {
            let error = read(&[("0.jsonl", "{}"), (name, text)]).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains(name), "{error}");
        }
    }
}
