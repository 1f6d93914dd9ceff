//! Events that enter the graph: samples of rides, and views of projects.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::ids::{ClassId, EventTime, RaceId, RacerId};

/// A race event: one second of one racer in one race, as the device measured it.
///
/// ```
/// use velodrome_dataflows::{Rules, Sample, Scoring};
///
/// let sample = Sample {
///     clock: 1_620_240_001_000,
///     class: 1,
///     race: 7,
///     racer: 5,
///     second: 1,
///     cadence: 65.0,
///     resistance: 35.0,
///     ..Sample::default()
/// };
/// // ((65 + 35) * (35 + 65)) / 100
/// assert_eq!(Scoring::from(Rules::default()).output(&sample), 100.0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The event clock at this event. It never decreases within a source partition.
    pub clock: EventTime,
    /// The race within its class.
    pub race: RaceId,
    /// The device's clock in milliseconds; the arrival instead, if there is one and the clock was more than 10 minutes
    /// ahead of it. It orders names only: nothing else uses it as time.
    pub device_ms: u64,
    /// Pedal speed in revolutions per minute, 0 to 1000.
    pub cadence: f64,
    /// Resistance in percent, 0 to 1000.
    pub resistance: f64,
    /// The racer's label for display, if the event carries one.
    pub name: Option<CompactString>,
    /// [`device_hash`](crate::device_hash) of the event's `uuid`; 0 if the event carries none.
    pub device_hash: u64,
    /// The racer.
    pub racer: RacerId,
    /// The class.
    pub class: ClassId,
    /// Second of the race, from 1 to the race length.
    pub second: u16,
    /// Whether this is the racer's last event of the race.
    pub is_final: bool,
}

/// A tracking event of a page or video: the start of a view, or a heartbeat of watched time.
///
/// ```
/// use velodrome_dataflows::Tracking;
///
/// let watched = Tracking {
///     clock: 1_620_240_005_000,
///     uuid: 0xfeed,
///     project: "trailer".into(),
///     duration_ms: 5_000,
///     is_view: false,
/// };
/// // The same event sent again has the same `uuid` and counts once.
/// assert_eq!(watched.clone().uuid, watched.uuid);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tracking {
    /// The event clock at this event.
    pub clock: EventTime,
    /// 128-bit hash of the event's uuid. Events with equal hashes count as duplicates of one event.
    pub uuid: u128,
    /// The page or video that is viewed.
    pub project: CompactString,
    /// Milliseconds watched since the previous heartbeat, at most one day.
    pub duration_ms: u32,
    /// Whether a view starts here (`view`) or continues (`watch`).
    pub is_view: bool,
}
