//! The pause before a request is sent again.

use std::time::Duration;

/// The first and the longest pause, in ms. A group commit takes about the first, a restart the longest.
const PAUSE_MS: (u64, u64) = (50, 2_000);

/// The pause after `attempts` earlier pauses.
///
/// If the service sent `Retry-After`, this is the requested pause. Otherwise the pause doubles each
/// time. The random number `jitter` (0 to 1) shortens it by up to half.
pub(super) fn pause(retry_after: Option<Duration>, attempts: u32, jitter: f64) -> Duration {
    let (first_ms, longest_ms) = PAUSE_MS;
    let pause_ms = first_ms.saturating_mul(2_u64.saturating_pow(attempts)).min(longest_ms);
    let own = Duration::from_millis(pause_ms).mul_f64(1.0 - jitter / 2.0);
    retry_after.filter(|requested| !requested.is_zero()).unwrap_or(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_as_requested_or_twice_as_long_each_time_up_to_two_seconds() {
        let ms = Duration::from_millis;
        assert_eq!(pause(Some(ms(3_000)), 0, 0.5), ms(3_000));
        let pauses = [0, 1, 5, 6, 40, u32::MAX].map(|attempts| pause(None, attempts, 0.0));
        assert_eq!(pauses, [50, 100, 1_600, 2_000, 2_000, 2_000].map(ms));
        assert_eq!(pause(None, 0, 1.0), ms(25));
        assert_eq!(pause(Some(ms(0)), 0, 0.0), ms(50));
    }
}
