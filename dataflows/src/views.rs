//! View counts and watched time by project.

use differential_dataflow::difference::{IsZero, Semigroup};
use serde::{Deserialize, Serialize};

/// How often a project was viewed and for how long, each event counted once; a sum as a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ViewCount {
    /// Distinct `view` events.
    pub views: u64,
    /// Milliseconds watched, summed over distinct events.
    pub duration_ms: u64,
}

impl IsZero for ViewCount {
    fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

impl Semigroup for ViewCount {
    fn plus_equals(&mut self, other: &Self) {
        self.views += other.views;
        self.duration_ms += other.duration_ms;
    }
}
