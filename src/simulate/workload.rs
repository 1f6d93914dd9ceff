//! A workload: races one after the other, cut into batches of lines.

use super::parameters::{ParameterError, Parameters, RACE_SECONDS};
use super::random::Probability;

/// Web pages resend their events this many times as often as bikes do.
const TRACKING_DUPLICATES: f64 = 10.0;
/// The approximate number of lines in a batch, 2 MB: large enough to be worth a transfer between
/// threads, and small enough for the cache.
const BATCH_LINES: f64 = 10_000.0;

/// A workload with valid parameters.
#[derive(Clone, Debug)]
pub struct Workload {
    pub(super) parameters: Parameters,
    races: u64,
    /// The number of view and watch events in each race.
    pub(super) tracking: u64,
    pub(super) duplicates: Probability,
    pub(super) tracking_duplicates: Probability,
}

impl Workload {
    /// A workload of these parameters.
    ///
    /// # Errors
    /// If a parameter is outside its range. The error names the first one.
    pub fn new(parameters: Parameters) -> Result<Self, ParameterError> {
        let races = parameters.races()?;
        let race_events = f64::from(parameters.concurrent) * f64::from(RACE_SECONDS);
        Ok(Self {
            parameters,
            races,
            tracking: (race_events * parameters.views).round() as u64,
            duplicates: Probability::new(parameters.duplicates),
            tracking_duplicates: Probability::new(parameters.duplicates * TRACKING_DUPLICATES),
        })
    }

    /// The number of races, one after the other.
    pub fn races(&self) -> u64 {
        self.races
    }

    /// The expected number of lines. The actual number differs, because duplicates are random.
    pub fn expected_lines(&self) -> u64 {
        let race = f64::from(self.parameters.concurrent) * f64::from(RACE_SECONDS);
        let race = race * (1.0 + self.duplicates.get());
        let tracking = self.tracking as f64 * (1.0 + self.tracking_duplicates.get());
        ((race + tracking) * self.races as f64) as u64
    }

    /// The number of batches in each race.
    pub fn batches(&self) -> u32 {
        RACE_SECONDS.div_ceil(self.batch_seconds())
    }

    /// The number of seconds of arrivals in a batch, so that it has about `BATCH_LINES` lines.
    pub(super) fn batch_seconds(&self) -> u32 {
        let lines = f64::from(self.parameters.concurrent) * (1.0 + self.parameters.views);
        ((BATCH_LINES / lines).round() as u32).clamp(1, RACE_SECONDS)
    }
}
