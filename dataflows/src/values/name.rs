//! A racer's name.

use compact_str::CompactString;
use differential_dataflow::difference::{IsZero, Semigroup};
use serde::{Deserialize, Serialize};

/// A racer's label for display.
///
/// The name with the greater device time wins; among equal times, the greater text. As a difference, the
/// sum of two names is the winner, so their arrival order does not matter.
///
/// ```
/// use velodrome_dataflows::{Name, Semigroup};
///
/// let mut name = Name { device_ms: 2_000, text: "Bea".into() };
/// name.plus_equals(&Name { device_ms: 1_000, text: "Zoe".into() });
/// assert_eq!(name.text, "Bea", "an older name changes nothing");
/// name.plus_equals(&Name { device_ms: 3_000, text: "Ada".into() });
/// assert_eq!(name.text, "Ada");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    /// The device's clock when it sent the name, in milliseconds.
    pub device_ms: u64,
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
