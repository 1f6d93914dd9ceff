//! View counts of projects, and their changes.

use compact_str::CompactString;
use differential_dataflow::difference::{IsZero, Semigroup};
use serde::{Deserialize, Serialize};

/// How often and for how long a project was viewed; each event is counted once. As differences, counts
/// are summed.
///
/// ```
/// use velodrome_dataflows::{Semigroup, ViewCount};
///
/// let mut count = ViewCount { views: 2, duration_ms: 7_000 };
/// count.plus_equals(&ViewCount { views: 0, duration_ms: 5_000 });
/// assert_eq!(count, ViewCount { views: 2, duration_ms: 12_000 });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ViewCount {
    /// Distinct `view` events.
    pub views: u64,
    /// Milliseconds watched, summed over distinct events.
    pub duration_ms: u64,
}

impl IsZero for ViewCount {
    /// Always false: nothing is retracted, and a project that was watched for 0 ms must stay listed.
    fn is_zero(&self) -> bool {
        false
    }
}

impl Semigroup for ViewCount {
    /// Sums that are too large for 64 bits become the largest. Only a damaged checkpoint has them.
    fn plus_equals(&mut self, other: &Self) {
        self.views = self.views.saturating_add(other.views);
        self.duration_ms = self.duration_ms.saturating_add(other.duration_ms);
    }
}

/// A change of the view counts; also what a checkpoint saves of them.
///
/// ```
/// use velodrome_dataflows::{ViewChange, ViewCount};
///
/// let changes = [
///     ViewChange::Count("trailer".into(), ViewCount { views: 1, duration_ms: 0 }),
///     ViewChange::Seen(18_752, 0xfeed),
/// ];
/// let counts = changes.iter().filter(|change| matches!(change, ViewChange::Count(..)));
/// assert_eq!(counts.count(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ViewChange {
    /// Adds to a project's count.
    Count(CompactString, ViewCount),
    /// An event was counted: the day of the event clock (days since the epoch) and the hash of its uuid.
    /// Emitted only by a service, so that it does not count the event again after a restart.
    Seen(u64, u128),
}
