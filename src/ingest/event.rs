//! Events, and the limits of their fields.

use velodrome_dataflows::{RacerId, Sample, Tracking, name_time};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

/// The greatest integer that every JSON reader represents exactly: 2^53 - 1.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;
/// Maximum length of a name, in bytes. A longer name is cut, and is no reason to reject its event.
const NAME_BYTES_MAX: usize = 128;
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

impl EventTimestamp {
    /// The device's time, as far as the arrival confirms it ([`name_time`]).
    #[inline]
    pub(super) fn confirmed(self, device_ms: u64) -> u64 {
        match self {
            Self::Arrival(arrival_ms) => name_time(device_ms, arrival_ms),
            Self::Device { .. } => device_ms,
        }
    }
}

/// The part of a name that is kept: whole characters of at most 128 bytes.
#[inline]
pub(crate) fn kept_name(name: &str) -> &str {
    name.get(..name.floor_char_boundary(NAME_BYTES_MAX)).unwrap_or(name)
}

/// The hash that identifies a tracking event: its uuid within its project.
#[inline]
pub(crate) fn tracking_hash(project: &[u8], uuid: &[u8]) -> u128 {
    xxh3_128_with_seed(uuid, xxh3_64(project))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_at_a_character() {
        let long = "n".repeat(140);
        assert_eq!(kept_name(&long), "n".repeat(128));
        assert_eq!(kept_name(&"é".repeat(70)), "é".repeat(64));
        assert_eq!(kept_name(&format!("a{}", "é".repeat(70))), format!("a{}", "é".repeat(63)));
        assert_eq!(kept_name("Ada"), "Ada");
    }

    #[test]
    fn a_uuid_identifies_an_event_within_its_project() {
        let hash = tracking_hash(b"p", b"u");
        assert_eq!(hash, tracking_hash(b"p", b"u"));
        for (project, uuid) in [("q", "u"), ("p", "v"), ("pu", ""), ("", "pu"), ("u", "p")] {
            assert_ne!(
                hash,
                tracking_hash(project.as_bytes(), uuid.as_bytes()),
                "{project} {uuid}"
            );
        }
    }

    #[test]
    fn only_an_arrival_confirms_the_time_of_a_device() {
        let device = EventTimestamp::Device { ms: 5, device: 1 };
        assert_eq!(device.confirmed(u64::MAX), u64::MAX);
        let arrival = EventTimestamp::Arrival(1_000);
        assert_eq!(arrival.confirmed(601_000), 601_000);
        assert_eq!(arrival.confirmed(601_001), 1_000);
    }
}
