//! A piece: some megabytes of a unit, decoded by the worker that reads it.

use std::io;

use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use velodrome_dataflows::{RACE_SECONDS_MAX, Sample, Tracking};

use crate::ingest::decode::decode;
use crate::ingest::event::{Event, Reading, Reject};
use crate::ingest::inputs::Input;
use crate::ingest::lines::{Block, LINE_BYTES_MAX, Lines};
use crate::ingest::units::{self, CHUNK_BYTES, Unit, UnitReader};

/// The events of a piece. Until the clock of its events is known, `clock` is each event's index in
/// the piece.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) samples: Vec<Sample>,
    pub(super) tracking: Vec<Tracking>,
    /// How many bytes of lines it holds in memory.
    pub(super) bytes: usize,
}

impl Piece {
    /// Hands out the events, each with its clock, and keeps the memory for another piece.
    pub(super) fn stamped(
        &mut self,
        clocks: &[u64],
    ) -> (impl Iterator<Item = Sample>, impl Iterator<Item = Tracking>) {
        self.bytes = 0;
        let at = |index: u64| clocks.get(index as usize).copied().unwrap_or_default();
        (
            self.samples.drain(..).map(move |sample| Sample { clock: at(sample.clock), ..sample }),
            self.tracking.drain(..).map(move |event| Tracking { clock: at(event.clock), ..event }),
        )
    }
}

/// What the sequencer needs to know of a piece.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Report {
    /// The unit, by its number in the run.
    pub(super) unit: usize,
    /// The piece, by its number in the unit.
    pub(super) piece: usize,
    /// Whether it is the unit's last.
    pub(super) last: bool,
    /// How many lines it has.
    pub(super) lines: u64,
    /// The times that its events bring, in order, and those of lines that the rules alone reject, marked;
    /// [`Self::BREAK`] stands for a line that is no event under any rules.
    pub(super) times: Vec<u64>,
    /// Its lines that were not taken, in order.
    pub(super) rejects: Vec<Rejected>,
}

/// A line that was not taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Rejected {
    /// Its number in the piece, from 0.
    pub(super) line: u64,
    pub(super) reason: String,
    pub(super) bytes: Vec<u8>,
    /// Whether the input broke here.
    pub(super) damage: bool,
}

impl Report {
    /// In `times`: a line that was rejected and brings no time.
    pub(super) const BREAK: u64 = u64::MAX;
    /// In `times`: the mark of an arrival. Times are below 2^53.
    const ARRIVAL: u64 = 1 << 63;
    /// In `times`: the mark of a line that was rejected.
    const REJECTED: u64 = 1 << 62;

    fn mark(reading: Reading) -> u64 {
        match reading {
            Reading::Device(ms) => ms,
            Reading::Arrival(ms) => ms | Self::ARRIVAL,
        }
    }

    /// The reading that [`Self::mark`] stands for.
    pub(super) fn reading(mark: u64) -> Reading {
        let ms = mark & !(Self::ARRIVAL | Self::REJECTED);
        match mark & Self::ARRIVAL {
            0 => Reading::Device(ms),
            _ => Reading::Arrival(ms),
        }
    }

    /// Whether the line of this mark was rejected, whether it brings a time or not.
    pub(super) fn is_rejected(mark: u64) -> bool {
        mark & Self::REJECTED != 0
    }
}

/// A unit that is being read.
pub(super) struct Reader {
    unit: usize,
    piece: usize,
    lines: Lines<UnitReader>,
    race_seconds: u16,
}

impl Reader {
    /// Opens unit `number`; one that cannot be opened any more has no lines but its damage.
    pub(super) fn open(
        number: usize,
        unit: Unit,
        input: &Input,
        race_seconds: u16,
        progress: &ProgressBar,
    ) -> Self {
        let lines = units::open(input, unit, progress)
            .unwrap_or_else(|error| Lines::all(Box::new(Failed(Some(error)))));
        Self { unit: number, piece: 0, lines, race_seconds }
    }

    /// Decodes the next piece into `piece`, which is empty, and `times`, whose memory it takes; the
    /// report of a unit's last piece says so.
    pub(super) fn next_piece(&mut self, piece: &mut Piece, mut times: Vec<u64>) -> Report {
        let mut bytes = 0;
        times.clear();
        let mut report = Report { unit: self.unit, piece: self.piece, times, ..Report::default() };
        self.piece += 1;
        // A chunk of a plain file is one piece, with the end of its last line.
        while bytes < CHUNK_BYTES as usize + LINE_BYTES_MAX {
            match self.lines.next_block() {
                Block::Lines(block) => {
                    bytes += block.len();
                    decode_block(block, self.race_seconds, piece, &mut report);
                }
                Block::Oversized(start) => {
                    bytes += start.len();
                    reject(&mut report, Reject::Oversized.to_string(), start, false);
                }
                Block::Damaged(error, rest) => {
                    bytes += rest.len();
                    reject(&mut report, format!("input damaged: {error}"), rest, true);
                }
                Block::End => {
                    report.last = true;
                    break;
                }
            }
        }
        piece.bytes += report.rejects.iter().map(|reject| reject.bytes.len()).sum::<usize>();
        report
    }
}

/// Decodes lines with the longest race that there is: when an event is, does not depend on rules. What comes
/// behind the end of a race of `race_seconds` is rejected, but brings its time.
fn decode_block(block: &[u8], race_seconds: u16, piece: &mut Piece, report: &mut Report) {
    let mut rest = block;
    while !rest.is_empty() {
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let (line, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        rest = behind.get(1..).unwrap_or_default();
        let event = match decode(line, RACE_SECONDS_MAX) {
            Ok(Event::Race(taken)) if taken.event.second > race_seconds => {
                let time = Report::mark(taken.reading) | Report::REJECTED;
                reject_at(report, time, reason(line, race_seconds), line, false);
                continue;
            }
            Ok(event) => event,
            Err(_) if line.trim_ascii().is_empty() => {
                report.lines += 1;
                continue;
            }
            Err(_) => {
                reject(report, reason(line, race_seconds), line, false);
                continue;
            }
        };
        let index = report.times.len() as u64;
        let reading = match event {
            Event::Race(mut taken) => {
                taken.event.clock = index;
                piece.samples.push(taken.event);
                taken.reading
            }
            Event::Tracking(mut taken) => {
                taken.event.clock = index;
                piece.tracking.push(taken.event);
                taken.reading
            }
        };
        report.times.push(Report::mark(reading));
        report.lines += 1;
        piece.bytes += line.len();
    }
}

/// Why a line is no event of races of `race_seconds`.
fn reason(line: &[u8], race_seconds: u16) -> String {
    decode(line, race_seconds).err().map_or_else(String::new, |error| error.to_string())
}

/// Rejects a line that is no event under any rules.
fn reject(report: &mut Report, reason: String, bytes: &[u8], damage: bool) {
    reject_at(report, Report::BREAK, reason, bytes, damage);
}

/// Rejects a line that stands as `mark` in the report's times.
fn reject_at(report: &mut Report, mark: u64, reason: String, bytes: &[u8], damage: bool) {
    let line = report.lines;
    report.rejects.push(Rejected { line, reason, bytes: bytes.to_owned(), damage });
    report.times.push(mark);
    report.lines += 1;
}

/// An input that could not be opened: its error is what is read of it.
struct Failed(Option<io::Error>);

impl io::Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
