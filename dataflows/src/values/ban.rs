//! Bans.

use serde::{Deserialize, Serialize};

use super::ids::RacerId;

/// A change of the ban list: a racer is banned, or the ban is lifted.
///
/// ```
/// use velodrome_dataflows::Ban;
///
/// let banned = Ban { racer: 5, is_banned: true };
/// let lifted = Ban { is_banned: false, ..banned };
/// assert_ne!(banned, lifted);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ban {
    /// The racer.
    pub racer: RacerId,
    /// `true` if the ban starts now, `false` if it is lifted.
    pub is_banned: bool,
}

impl Ban {
    /// The change as a difference of the arrangement of banned racers: 1 or -1.
    pub(crate) fn diff(self) -> isize {
        if self.is_banned { 1 } else { -1 }
    }
}
