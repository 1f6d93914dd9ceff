//! How long to wait before a call is made again.

use std::time::Duration;

use rand::RngExt;

/// The wait behind failure `failure`, from 0: twice as long each time, up to 32 times `first`, and by
/// chance down to half of that, so that many that failed together do not come back together.
pub fn backoff(first: Duration, failure: u32) -> Duration {
    (first * (1 << failure.min(5))).mul_f64(rand::rng().random_range(0.5..1.0))
}
