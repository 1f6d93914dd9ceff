//! A reader's cache of the rides that the sequencer has opened.

use velodrome_dataflows::RideKey;

/// The number of sets, as a power of two. With [`WAYS`] rides each, the cache has room for 65,536 rides, and
/// few rides are removed while they are running.
const SETS_BITS: u32 = 14;
/// The rides in a set, which is one cache line.
const WAYS: usize = 4;

/// An empty place: no ride has the class 0.
const EMPTY: u128 = 0;

/// A cache of rides, of fixed size. Adding a ride can remove an older one.
///
/// It is a table of sets, because a reader looks up the ride of every event, and a lookup reads only one
/// cache line.
#[derive(Debug)]
pub(super) struct KnownRides {
    sets: Vec<[u128; WAYS]>,
}

impl KnownRides {
    /// An empty cache.
    pub(super) fn none() -> Self {
        Self { sets: vec![[EMPTY; WAYS]; 1 << SETS_BITS] }
    }

    /// A cache that has all rides.
    pub(super) fn all() -> Self {
        Self { sets: Vec::new() }
    }

    /// Adds a ride.
    pub(super) fn insert(&mut self, ride: RideKey) {
        let ride = pack(ride);
        if let Some(set) = self.sets.get_mut(index(ride)) {
            set.rotate_right(1);
            set[0] = ride;
        }
    }

    /// Whether the ride is in the cache.
    #[inline]
    pub(super) fn contains(&self, ride: RideKey) -> bool {
        let ride = pack(ride);
        self.sets.get(index(ride)).is_none_or(|set| set.contains(&ride))
    }
}

/// The ride as one number: race ids have 53 bits.
#[inline]
fn pack((class, race, racer): RideKey) -> u128 {
    u128::from(race) << 64 | u128::from(racer) << 16 | u128::from(class)
}

/// The set of a ride.
#[inline]
fn index(ride: u128) -> usize {
    let (race, racer) = ((ride >> 64) as u64, ride as u64);
    // Fibonacci hashing (Knuth, TAOCP 6.4): the factor is 2^64 divided by the golden ratio.
    let mixed = (racer ^ race.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (u64::BITS - SETS_BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_most_recent_rides() {
        let mut known = KnownRides::none();
        let rides: Vec<RideKey> =
            (0..1_000).flat_map(|racer| (1..=20).map(move |race| (1, race, racer))).collect();
        rides.iter().for_each(|ride| known.insert(*ride));
        let missing = rides.iter().filter(|ride| !known.contains(**ride)).count();
        assert!(missing < rides.len() / 100, "{missing}");
        for other in [(2, 20, 999), (1, 21, 999), (1, 20, 1_000)] {
            assert!(!known.contains(other), "{other:?}");
        }
    }
}
