//! What enters the graph: samples of rides, and views of projects.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// A class of races. Any id that occurs works; Alleycat has 1 to 6.
pub type ClassId = u16;
/// A racer. 0 is a racer like any other.
pub type RacerId = u32;
/// A race's id, opaque and below 2^53. One id can occur in several classes: a race is `(ClassId, RaceId)`.
pub type RaceId = u64;
/// Milliseconds of the event clock since the epoch; also the logical time of the graph.
pub type Clock = u64;

/// One second of one racer in one race, as the device measured it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The event clock at this event: never goes back along a source partition.
    pub clock: Clock,
    /// The race within its class.
    pub race: RaceId,
    /// The device's clock in milliseconds: orders names, is never trusted as time.
    pub device_ms: u64,
    /// Pedal speed in revolutions a minute, 0 to 1000.
    pub cadence: f64,
    /// Resistance in percent, 0 to 1000.
    pub resistance: f64,
    /// The racer's label for display, where the event brings one.
    pub name: Option<CompactString>,
    /// By what the device is known ([`device`](crate::device)); 0 where the event does not tell.
    pub device: u64,
    /// The racer.
    pub racer: RacerId,
    /// The class.
    pub class: ClassId,
    /// Second of the race, 1 to the race length.
    pub second: u16,
    /// Whether it is the racer's last event of the race.
    pub is_final: bool,
}

/// One event of a page or video: a view that begins, or a heartbeat of watched time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tracking {
    /// The event clock at this event.
    pub clock: Clock,
    /// 128-bit hash of the event's uuid: events that share it are one event, sent again.
    pub uuid: u128,
    /// What is viewed.
    pub project: CompactString,
    /// Milliseconds watched since the last heartbeat, at most a day.
    pub duration_ms: u32,
    /// Whether a view begins here (`view`), or goes on (`watch`).
    pub is_view: bool,
}
