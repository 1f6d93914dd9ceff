//! Decoded lines.

use compact_str::CompactString;
use velodrome_dataflows::{ClassId, RaceId, RacerId};

/// One event. Its time on the event clock is not known yet.
#[derive(Debug, PartialEq)]
pub(super) struct Event {
    /// The device's time, in milliseconds since the epoch.
    pub(super) device_ms: u64,
    /// When a log received the event, in milliseconds since the epoch.
    pub(super) arrival_ms: Option<u64>,
    pub(super) kind: Kind,
}

/// The kind of an event, with its data.
#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    Race(Sample),
    Tracking(View),
    /// A sample after the last second of a race under the active rules. It moves the event clock, but
    /// becomes a dead letter.
    BeyondRace(DeadLetter),
}

/// A valid event that the active rules reject.
#[derive(Debug, PartialEq)]
pub(super) struct DeadLetter {
    pub(super) file: String,
    pub(super) number: u64,
    pub(super) reason: String,
    pub(super) line: Vec<u8>,
}

/// One second of one racer in one race.
#[derive(Debug, PartialEq)]
pub(super) struct Sample {
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
