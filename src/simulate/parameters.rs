//! The parameters of a workload, and their valid ranges.

use thiserror::Error;

/// The interval between the starts of two races, in ms.
pub const RACE_INTERVAL_MS: u64 = 300_000;
/// The length of a race in seconds. Each rider sends an event for each second from 1 on.
pub const RACE_SECONDS: u32 = 300;

/// The start of the year 10000 in ms since the epoch. The names of objects have four digits for the
/// year.
const END_MS: u64 = 253_402_300_800_000;
/// The maximum number of riders in a race. Each thread has one second of a race in memory: 200 MB.
pub const CONCURRENT_MAX: u32 = 1_000_000;
/// The maximum number of tracking events for each race event. With more, races would hardly matter.
const VIEWS_MAX: f64 = 10.0;

/// The parameters of a workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// The duration of the racing in hours. It is rounded to complete races, at least one.
    pub hours: f64,
    /// The number of racers. Their ids start at 0.
    pub racers: u32,
    /// The number of racers who ride in each race.
    pub concurrent: u32,
    /// The number of classes that they are distributed over. Their ids start at 1.
    pub classes: u16,
    /// The number of view and watch events for each race event.
    pub views: f64,
    /// The fraction of race events whose line is sent twice. For tracking events it is ten times as
    /// large.
    pub duplicates: f64,
    /// The seed of the random generators.
    pub seed: u64,
    /// The start of the first race, in ms since the epoch.
    pub start_ms: u64,
}

impl Parameters {
    /// The hour of racing that all published measurements use.
    pub const DEFAULT: Self = Self {
        hours: 1.0,
        racers: 40_000,
        concurrent: 1_000,
        classes: 6,
        views: 0.05,
        duplicates: 0.001,
        seed: 1,
        start_ms: 1_620_240_000_000,
    };

    /// The number of races, one after the other.
    ///
    /// # Errors
    /// If a parameter is outside its range. The error names the first one.
    pub(super) fn races(&self) -> Result<u64, ParameterError> {
        let Self { hours, racers, concurrent, classes, views, duplicates, start_ms, .. } = *self;
        if !(hours.is_finite() && hours > 0.0) {
            return Err(ParameterError::Hours(hours));
        }
        if !(1..=CONCURRENT_MAX).contains(&concurrent) {
            return Err(ParameterError::Concurrent(concurrent));
        }
        if concurrent > racers {
            return Err(ParameterError::Racers { concurrent, racers });
        }
        if classes == 0 {
            return Err(ParameterError::Classes);
        }
        if !(0.0..=VIEWS_MAX).contains(&views) {
            return Err(ParameterError::Views(views));
        }
        if !(0.0..=1.0).contains(&duplicates) {
            return Err(ParameterError::Duplicates(duplicates));
        }
        let races = (hours * 3_600_000.0 / RACE_INTERVAL_MS as f64).round().max(1.0) as u64;
        if races > END_MS.saturating_sub(start_ms) / RACE_INTERVAL_MS {
            return Err(ParameterError::End { start_ms, hours });
        }
        Ok(races)
    }
}

/// A parameter outside its range.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum ParameterError {
    /// The duration is not positive.
    #[error("--hours is '{0}'; give a number above 0")]
    Hours(f64),
    /// There are no riders, or too many for the memory.
    #[error("--concurrent is '{0}'; give a whole number from 1 to {CONCURRENT_MAX}")]
    Concurrent(u32),
    /// There are more riders than racers.
    #[error("--concurrent '{concurrent}' exceeds --racers '{racers}'; raise --racers")]
    Racers {
        /// The number of riders.
        concurrent: u32,
        /// The number of racers.
        racers: u32,
    },
    /// There is no class.
    #[error("--classes is '0'; give a whole number from 1 to 65535")]
    Classes,
    /// The fraction of tracking events is out of range.
    #[error("--views is '{0}'; give a number from 0 to {VIEWS_MAX}")]
    Views(f64),
    /// The fraction of duplicates is out of range.
    #[error("--duplicates is '{0}'; give a number from 0 to 1")]
    Duplicates(f64),
    /// The racing ends after the year 9999.
    #[error(
        "racing from '{start_ms}' ms since the epoch for '{hours}' hours ends after the year 9999; \
         give fewer --hours or an earlier --start"
    )]
    End {
        /// The start.
        start_ms: u64,
        /// The duration.
        hours: f64,
    },
}
