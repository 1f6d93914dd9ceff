//! Reads a unit (a part of an input that one worker reads) as batches of decoded events.

use std::io;

use indicatif::ProgressBar;
use velodrome_dataflows::RACE_SECONDS_MAX;

use super::batch_report::BatchReport;
use super::decoded_batch::DecodedBatch;
use super::known_rides::KnownRides;
use crate::ingest::decode::{decode, decode_any, decode_first};
use crate::ingest::event::Event;
use crate::ingest::inputs::Input;
use crate::ingest::lines::{LINE_BYTES_MAX, LineBlock, LineReader};
use crate::ingest::objects::{objects, trim};
use crate::ingest::rejection::Rejection;
use crate::ingest::units::{self, CHUNK_BYTES, Unit, UnitReader};

/// The bytes of the lines of a batch. A chunk of a plain file is one batch, including a last line that ends
/// in the next chunk.
pub(super) const BATCH_BYTES: usize = CHUNK_BYTES as usize + LINE_BYTES_MAX;

/// Reads and decodes one unit.
pub(super) struct BatchReader {
    unit: usize,
    input: usize,
    batch: usize,
    lines: LineReader<UnitReader>,
    race_seconds: u16,
}

impl BatchReader {
    /// Opens unit `number`. Events after the end of a race of `race_seconds` are rejected.
    ///
    /// If the unit cannot be opened, its only batch reports damage and no lines.
    pub(super) fn open(
        number: usize,
        unit: Unit,
        input: &Input,
        race_seconds: u16,
        progress: &ProgressBar,
    ) -> Self {
        Self::try_open(number, unit, input, race_seconds, progress).unwrap_or_else(|error| {
            let lines = LineReader::all(Box::new(FailedInput(Some(error))) as _);
            Self { unit: number, input: unit.input, batch: 0, lines, race_seconds }
        })
    }

    /// Opens unit `number` as [`BatchReader::open`] does.
    ///
    /// # Errors
    /// If the unit cannot be opened.
    pub(super) fn try_open(
        number: usize,
        unit: Unit,
        input: &Input,
        race_seconds: u16,
        progress: &ProgressBar,
    ) -> io::Result<Self> {
        let lines = units::open(input, unit, progress)?;
        Ok(Self { unit: number, input: unit.input, batch: 0, lines, race_seconds })
    }

    /// Decodes the next batch, of lines with about `bytes_max` bytes, into `batch`, which is empty, and
    /// reports it.
    ///
    /// The report uses the memory of `time_marks`. Events of rides that are not `known` are candidates.
    pub(super) fn read(
        &mut self,
        batch: &mut DecodedBatch,
        mut time_marks: Vec<u64>,
        bytes_max: usize,
        known: &KnownRides,
    ) -> BatchReport {
        let mut bytes = 0;
        time_marks.clear();
        let (unit, input, number) = (self.unit, self.input, self.batch);
        let mut report =
            BatchReport { unit, input, batch: number, time_marks, ..BatchReport::default() };
        self.batch += 1;
        while bytes < bytes_max {
            match self.lines.next_block() {
                LineBlock::Lines(block) => {
                    bytes += block.len();
                    decode_block(block, self.race_seconds, known, batch, &mut report);
                }
                LineBlock::Oversized(start) => {
                    bytes += start.len();
                    let reason = Rejection::Oversized.to_string();
                    report.reject(None, reason, start, false);
                }
                LineBlock::Damaged(error, rest) => {
                    bytes += rest.len();
                    report.reject(None, error.to_string(), rest, true);
                }
                LineBlock::End => {
                    report.is_last = true;
                    break;
                }
            }
        }
        batch.bytes += report.candidates.bytes();
        batch.bytes += report.rejects.iter().map(|reject| reject.bytes.len()).sum::<usize>();
        report
    }
}

/// Decodes the events of a block. Events after the end of a race of `race_seconds` are rejected.
///
/// Lines are decoded with the longest race that any rules allow, because the event clock must not depend
/// on the rules. An event after the end of a shorter race is rejected, but its time still advances the
/// clock.
fn decode_block(
    block: &[u8],
    race_seconds: u16,
    known: &KnownRides,
    batch: &mut DecodedBatch,
    report: &mut BatchReport,
) {
    let mut rest = block;
    while let Some(first) = rest.first() {
        if *first == b'\n' {
            report.lines += 1;
            rest = rest.get(1..).unwrap_or_default();
        } else if let Some((event, after)) = decode_first(rest, RACE_SECONDS_MAX) {
            let text = rest.get(..rest.len() - after.len()).unwrap_or_default();
            add(Ok(event), text, race_seconds, known, batch, report);
            rest = after;
        } else {
            let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let (line, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            let line = trim(line);
            match decode_any(line, RACE_SECONDS_MAX) {
                Ok(event) => add(Ok(event), line, race_seconds, known, batch, report),
                Err(_) => {
                    for object in objects(line) {
                        let event = decode(object, RACE_SECONDS_MAX);
                        add(event, object, race_seconds, known, batch, report);
                    }
                }
            }
            rest = after;
        }
    }
}

/// Adds an event, or rejects its text. An event whose ride is not `known` is a candidate.
fn add(
    decoded: Result<Event, Rejection>,
    text: &[u8],
    race_seconds: u16,
    known: &KnownRides,
    batch: &mut DecodedBatch,
    report: &mut BatchReport,
) {
    let index = report.time_marks.len() as u64;
    let timestamp = match decoded {
        Ok(Event::Race(decoded)) if decoded.event.second > race_seconds => {
            return report.reject(Some(decoded.timestamp), reason(text, race_seconds), text, false);
        }
        Ok(Event::Race(mut decoded)) => {
            let sample = &mut decoded.event;
            sample.clock = index;
            if !known.contains((sample.class, sample.race, sample.racer)) {
                report.candidates.push(sample, report.input, report.lines, text);
            }
            batch.samples.push(decoded.event);
            decoded.timestamp
        }
        Ok(Event::Tracking(mut decoded)) => {
            decoded.event.clock = index;
            batch.tracking.push(decoded.event);
            decoded.timestamp
        }
        Err(_) => return report.reject(None, reason(text, race_seconds), text, false),
    };
    report.accept(timestamp);
    batch.bytes += text.len();
}

/// Why a text is rejected in a race of `race_seconds`, which the reason names.
fn reason(text: &[u8], race_seconds: u16) -> String {
    let rejection = decode(text, race_seconds).err();
    rejection.map_or_else(String::new, |rejection| rejection.to_string())
}

/// The reader of an input that cannot be opened. Its first read returns the error.
struct FailedInput(Option<io::Error>);

impl io::Read for FailedInput {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
