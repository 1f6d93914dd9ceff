//! Hashes that choose the worker of a record when it is exchanged.

use super::event::{Sample, Tracking};
use super::ids::{ClassId, RacerId};

/// The factor of Fibonacci hashing (Knuth, TAOCP 6.4): 2^64 divided by the golden ratio.
const FIBONACCI: u64 = 0x9e37_79b9_7f4a_7c15;

/// Fibonacci hash of `key`. Only the upper half of the product is well mixed, so only it is returned.
pub(crate) fn fibonacci_hash(key: u64) -> u64 {
    key.wrapping_mul(FIBONACCI) >> 32
}

/// The hash of a racer in a class. All rides, records and results of a racer in a class are on the
/// worker it selects.
pub(crate) fn racer_hash(class: ClassId, racer: RacerId) -> u64 {
    fibonacci_hash(u64::from(racer) << 16 | u64::from(class))
}

impl Sample {
    /// The hash that selects the worker of the sample's ride, modulo the number of workers.
    ///
    /// An exchange keeps the order of the records from one worker to another, but not between workers. A
    /// caller that sends each sample from this worker keeps the order of a ride's samples.
    ///
    /// ```
    /// use velodrome_dataflows::Sample;
    ///
    /// let sample = |race| Sample { class: 1, racer: 7, race, ..Sample::default() };
    /// assert_eq!(sample(3).route(), sample(4).route());
    /// ```
    pub fn route(&self) -> u64 {
        racer_hash(self.class, self.racer)
    }
}

impl Tracking {
    /// The hash that selects the worker that counts the event once, modulo the number of workers. A
    /// caller that sends each event from this worker keeps the order of events with equal uuids.
    pub fn route(&self) -> u64 {
        self.uuid as u64
    }
}
