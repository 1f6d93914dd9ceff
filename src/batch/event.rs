//! Decoded lines.

use compact_str::CompactString;
use velodrome_dataflows::{ClassId, RaceId, RacerId};

use crate::ingest::dead_letters::DeadLetterFile;

/// A line. Its time on the event clock is not known yet.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    /// Its own time, or `None` if it is not an event.
    pub(super) time: Option<Time>,
    pub(super) content: Content,
}

/// The time of an event, in milliseconds since the epoch.
#[derive(Debug, PartialEq)]
pub(super) enum Time {
    /// When a log received the event.
    Arrival(u64),
    /// The clock of the device, if no log received the event.
    Device(u64, Sender),
}

/// Who sent an event: a racer, or a viewer if the event names one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sender {
    Racer(RacerId),
    Viewer(Option<CompactString>),
}

/// What a line contains.
#[derive(Debug, PartialEq)]
pub(super) enum Content {
    Race(Sample),
    /// A sample that may start its ride, and the dead letter that it becomes if too many rides are open.
    Opening(Sample, DeadLetter),
    Tracking(View),
    /// No event, or one after the last second of a race under the active rules. The latter still has a
    /// time.
    Rejected(DeadLetter),
    /// The place where the input is damaged.
    Damaged(DeadLetter),
}

/// A line that is not counted, and why.
#[derive(Debug, PartialEq)]
pub(super) struct DeadLetter {
    file: String,
    number: u64,
    reason: String,
    line: Vec<u8>,
}

impl DeadLetter {
    /// A dead letter of line `number` of `file`, counted from 1.
    pub(super) fn new(file: &str, number: u64, reason: &impl ToString, line: &[u8]) -> Self {
        Self { file: file.to_owned(), number, reason: reason.to_string(), line: line.to_owned() }
    }

    /// Adds it as a rejected line.
    pub(super) fn reject(&self, dead_letters: &mut DeadLetterFile) {
        dead_letters.reject(&self.file, self.number, &self.reason, &self.line);
    }

    /// Adds it as the damage of an input.
    pub(super) fn damage(&self, dead_letters: &mut DeadLetterFile) {
        dead_letters.damage(&self.file, self.number, &self.reason, &self.line);
    }
}

/// One second of one racer in one race.
#[derive(Debug, PartialEq)]
pub(super) struct Sample {
    /// The device's time, in milliseconds since the epoch, as far as the arrival confirms it.
    pub(super) device_ms: u64,
    pub(super) class: ClassId,
    pub(super) race: RaceId,
    pub(super) racer: RacerId,
    pub(super) second: u16,
    pub(super) cadence: f64,
    pub(super) resistance: f64,
    pub(super) name: Option<CompactString>,
    /// The `uuid`, which identifies the device.
    pub(super) device: Option<CompactString>,
    pub(super) is_final: bool,
}

/// The start of a view, or a heartbeat that reports watched time.
#[derive(Debug, PartialEq)]
pub(super) struct View {
    pub(super) uuid: CompactString,
    pub(super) project: CompactString,
    pub(super) duration_ms: u64,
    pub(super) is_view: bool,
}
