//! What a line comes to, once it is decoded.

use compact_str::CompactString;
use velodrome_dataflows::{ClassId, RaceId, RacerId};

/// One event, before it has its clock.
#[derive(Debug, PartialEq)]
pub(super) struct Event {
    /// The device's clock in milliseconds.
    pub(super) device_ms: u64,
    /// When a log took the event in, in milliseconds.
    pub(super) arrival_ms: Option<u64>,
    pub(super) kind: Kind,
}

/// What an event is about.
#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    Race(Sample),
    Tracking(View),
    /// It is one of races that are longer than the rules have them: it has its time, and is a dead letter.
    Behind(Letter),
}

/// A line that the rules alone reject.
#[derive(Debug, PartialEq)]
pub(super) struct Letter {
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
    /// The `uuid`, by which the device is known.
    pub(super) device: Option<CompactString>,
    pub(super) is_final: bool,
}

/// A view that begins, or a heartbeat of watched time.
#[derive(Debug, PartialEq)]
pub(super) struct View {
    pub(super) uuid: CompactString,
    pub(super) project: CompactString,
    pub(super) duration_ms: u64,
    pub(super) is_view: bool,
}
