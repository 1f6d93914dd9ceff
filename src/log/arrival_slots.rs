//! The milliseconds at which events of a log can arrive.

/// The milliseconds at which events of a log can arrive: all, or in a cluster of `n` nodes every `n`-th.
///
/// No two events of different nodes then arrive at the same time. So the order of all events of a cluster is that of
/// their arrivals, in the service as in every replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrivalSlots {
    index: u64,
    count: u64,
}

impl ArrivalSlots {
    /// The milliseconds of node `index` of `count` nodes. `index` must be less than `count`.
    pub fn of_node(index: usize, count: usize) -> Self {
        Self { index: index as u64, count: count as u64 }
    }

    /// The first of these milliseconds that is not before `ms`.
    pub(super) fn first_from(self, ms: u64) -> u64 {
        ms + (self.count + self.index - ms % self.count) % self.count
    }
}

impl Default for ArrivalSlots {
    /// All milliseconds.
    fn default() -> Self {
        Self::of_node(0, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_share_no_millisecond_and_leave_none_out() {
        for ms in 1_620_240_000_000..1_620_240_000_010 {
            assert_eq!(ArrivalSlots::default().first_from(ms), ms);
            let mut firsts = [0, 1, 2].map(|node| ArrivalSlots::of_node(node, 3).first_from(ms));
            firsts.sort_unstable();
            assert_eq!(firsts, [ms, ms + 1, ms + 2]);
        }
    }
}
