//! A racer's name.

use compact_str::CompactString;
use differential_dataflow::difference::{IsZero, Semigroup};
use serde::{Deserialize, Serialize};

use super::ids::EventTime;

/// How far a device's clock may be ahead of the event clock, in milliseconds. A clock that is further ahead is wrong,
/// and its names would replace all later ones.
const LEAD_MS_MAX: u64 = 600_000;

/// The time that orders the names of a device whose clock was at `device_ms` when its event arrived at `arrival_ms`:
/// the arrival, if the device is more than 10 minutes ahead of it.
///
/// ```
/// use velodrome_dataflows::name_time;
///
/// assert_eq!(name_time(1_600_000, 1_000_000), 1_600_000);
/// assert_eq!(name_time(1_600_001, 1_000_000), 1_000_000);
/// ```
pub fn name_time(device_ms: u64, arrival_ms: EventTime) -> u64 {
    if device_ms > arrival_ms.saturating_add(LEAD_MS_MAX) { arrival_ms } else { device_ms }
}

/// A racer's label for display in a class.
///
/// The later name wins; among equal times, the greater text. As a difference, the
/// sum of two names is the winner, so their arrival order does not matter.
///
/// ```
/// use velodrome_dataflows::{Name, Semigroup};
///
/// let mut name = Name { at: 2_000, text: "Bea".into() };
/// name.plus_equals(&Name { at: 1_000, text: "Zoe".into() });
/// assert_eq!(name.text, "Bea", "an older name changes nothing");
/// name.plus_equals(&Name { at: 3_000, text: "Ada".into() });
/// assert_eq!(name.text, "Ada");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    /// The [time](name_time) of the name, in milliseconds.
    pub at: EventTime,
    /// The label.
    pub text: CompactString,
}

impl IsZero for Name {
    /// Always false: a maximum has no inverse, so no sum cancels out.
    fn is_zero(&self) -> bool {
        false
    }
}

impl Semigroup for Name {
    fn plus_equals(&mut self, other: &Self) {
        if *other > *self {
            *self = other.clone();
        }
    }
}
