//! How long to wait before what failed is tried again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The first wait is up to so long: what passes by itself mostly passes in that.
const FIRST: Duration = Duration::from_millis(200);
/// No wait is longer: Kinesis throttles for 5 s at most (its API reference, "GetRecords").
const LONGEST: Duration = Duration::from_secs(5);

/// Waits that double, each with a half that is of chance, so that those that failed together do not try
/// again together.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait after one more failure.
    pub fn after_failure(&mut self) -> Duration {
        let wait = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // The system's randomness, of which each state has its own.
        let chance = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
        wait.mul_f64(0.5 + chance / 2.0)
    }

    /// It works again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_differ_by_chance() {
        let mut backoff = Backoff::default();
        for most_ms in [200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
            let wait = backoff.after_failure();
            let most = Duration::from_millis(most_ms);
            assert!((most / 2..=most).contains(&wait), "{wait:?} of {most:?}");
        }
        (0..100).for_each(|_| _ = backoff.after_failure());
        assert!(backoff.after_failure() <= LONGEST);
        backoff.reset();
        assert!(backoff.after_failure() <= FIRST);
        let first = || Backoff::default().after_failure();
        assert!((0..10).any(|_| first() != first()));
    }
}
