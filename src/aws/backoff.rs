//! Waits between retries: exponential backoff with jitter.

use std::time::Duration;

use rand::RngExt;

/// The wait before the retry after failure number `failure`, counted from 0.
///
/// It is `first`, doubled with each failure up to 32 times `first`, times a random factor from 0.5 to 1.
/// The random factor keeps callers that failed together from retrying together.
pub fn backoff(first: Duration, failure: u32) -> Duration {
    (first * (1 << failure.min(5))).mul_f64(rand::rng().random_range(0.5..1.0))
}
