//! The output of a sample, and the rules that it is computed under.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::event::Clock;

/// The longest race that the rules may set, in seconds.
pub const RACE_SECONDS_MAX: u16 = 3600;

/// How events become results. A replay under other rules shows what they would change.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Added to the cadence, in revolutions a minute.
    pub cadence_offset: f64,
    /// Added to the resistance, in percent.
    pub resistance_offset: f64,
    /// What the product of both is divided by.
    pub divisor: f64,
    /// Length of a race in seconds, 1 to 3600.
    pub race_seconds: u16,
    /// How long after a race's last second its rides stay open, in seconds.
    pub grace_seconds: u16,
}

impl Default for Rules {
    /// The rule of the published Alleycat transformer: `((cadence + 35) * (resistance + 65)) / 100`,
    /// races of 300 seconds.
    fn default() -> Self {
        Self {
            cadence_offset: 35.0,
            resistance_offset: 65.0,
            divisor: 100.0,
            race_seconds: 300,
            grace_seconds: 60,
        }
    }
}

impl Rules {
    /// The output of one sample, in IEEE double precision and exactly this order of operations.
    ///
    /// A zero is always positive, so that equal outputs are also equal bit for bit.
    ///
    /// ```
    /// let rules = velodrome_dataflows::Rules::default();
    /// assert_eq!(rules.output(78.00666666666666, 78.0), 161.59953333333334);
    /// ```
    #[inline]
    pub fn output(&self, cadence: f64, resistance: f64) -> f64 {
        ((cadence + self.cadence_offset) * (resistance + self.resistance_offset)) / self.divisor
            + 0.0
    }

    /// The event clock at which a ride is over whose first sample, of `second`, came at `clock`.
    #[inline]
    pub fn due(&self, clock: Clock, second: u16) -> Clock {
        let left = u64::from(self.race_seconds.saturating_sub(second));
        clock + (left + u64::from(self.grace_seconds)) * 1000
    }
}

/// A finite output, ordered as a number, so that it can stand in arrangements.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Output(pub f64);

impl Ord for Output {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Output {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Output {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Output {}
