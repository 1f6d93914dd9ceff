//! Events, and the limits of their fields.

use velodrome_dataflows::{RacerId, Sample, Tracking};
use xxhash_rust::xxh3::xxh3_64;

/// The greatest integer that every JSON reader represents exactly: 2^53 - 1.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;
/// Maximum length of the uuid of a tracking event, in bytes.
pub const UUID_BYTES_MAX: usize = 64;
/// Maximum length of project and viewer ids, in bytes.
pub const ID_BYTES_MAX: usize = 128;
/// Maximum watched time of one heartbeat, in milliseconds: a day.
pub const DURATION_MS_MAX: u64 = 86_400_000;

/// A valid event, and its timestamp.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted<E> {
    /// The event. Its clock is 0, because it is not known yet.
    pub event: E,
    /// The timestamp that moves the event clock.
    pub timestamp: EventTimestamp,
}

/// An event of either kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A race event.
    Race(Accepted<Sample>),
    /// A tracking event.
    Tracking(Accepted<Tracking>),
}

/// The timestamp of an event, in ms since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventTimestamp {
    /// When a log received the event. The event clock always trusts it.
    Arrival(u64),
    /// The time of the device, for an event without an arrival. The event clock trusts it only together
    /// with those of other devices.
    Device {
        /// The time.
        ms: u64,
        /// Who sent the event: a hash of the racer or of the viewer.
        device: u32,
    },
}

/// The device of a race event, for the event clock.
#[inline]
pub(super) fn racer_device(racer: RacerId) -> u32 {
    racer
}

/// The device of a tracking event, for the event clock. All events without a viewer have the same.
///
/// Two devices may have the same number. Then they have one vote, which decides nothing among many.
#[inline]
pub(super) fn viewer_device(viewer: Option<&[u8]>) -> u32 {
    xxh3_64(viewer.unwrap_or_default()) as u32
}
