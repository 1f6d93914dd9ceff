//! Simulated racing: the telemetry and view events of races that start every five minutes.
//!
//! Everything but the two writers, the drive and what it reads of files is a pure function of [`Parameters`]:
//! no clock, no file and no thread takes part, so the same parameters are the same bytes on any machine. Each
//! second of each race has a generator of its own, so that any part of the workload can be made without the
//! parts before it. A race's lines arrive before the first line of the next race does.

mod batch;
pub mod drive;
mod event;
mod lines;
pub mod objects;
mod race;
mod random;
mod recorded;
pub mod stream;

use thiserror::Error;

pub use batch::{Batch, Line};
pub use race::Race;
use random::Share;
pub use recorded::{Recorded, RecordedError};

/// From the start of one race to the start of the next, in ms.
pub const RACE_INTERVAL_MS: u64 = 300_000;
/// Seconds in a race; each racer reports each of them, from 1 on.
pub const RACE_SECONDS: u32 = 300;

/// The first ms of the year 10000, which the names of objects have no room for.
const END_MS: u64 = 253_402_300_800_000;
/// A second of one race is held in memory by each thread; with so many racers it takes 200 MB.
const CONCURRENT_MAX: u32 = 1_000_000;
/// Ten tracking events to one of a race: beyond that, the races are no longer the workload.
const VIEWS_MAX: f64 = 10.0;
/// Pages send their events again this many times as often as bikes do.
const TRACKING_DUPLICATES: f64 = 10.0;
/// Lines in a batch, about: 2 MB, which is worth the hand-over and stays in the cache.
const BATCH_LINES: f64 = 10_000.0;

/// What is to be simulated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// How long the racing lasts, in hours; rounded to whole races, at least one.
    pub hours: f64,
    /// How many racers there are; their ids go from 0.
    pub racers: u32,
    /// How many of them ride in each race.
    pub concurrent: u32,
    /// How many classes they are spread over; their ids go from 1.
    pub classes: u16,
    /// How many view and watch events there are to one race event.
    pub views: f64,
    /// The share of race events whose line is sent twice; of tracking events ten times that share.
    pub duplicates: f64,
    /// Another seed is another workload.
    pub seed: u64,
    /// Start of the first race, in ms since the epoch.
    pub start_ms: u64,
}

impl Parameters {
    /// The hour that the measurements are made with.
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
}

/// A parameter that no workload can have.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum ParameterError {
    /// No length of time, or none.
    #[error("hours must be a number above 0, not '{0}'")]
    Hours(f64),
    /// Nobody, or more than memory is meant to hold.
    #[error("concurrent racers must be 1 to {CONCURRENT_MAX}, not '{0}'")]
    Concurrent(u32),
    /// More riders than racers.
    #[error("'{concurrent}' concurrent racers out of '{racers}' are too many; give more racers")]
    Racers {
        /// How many were to ride.
        concurrent: u32,
        /// Out of how many.
        racers: u32,
    },
    /// No class to ride in.
    #[error("classes must be 1 to 65535, not '0'")]
    Classes,
    /// No such share.
    #[error("views must be a share from 0 to {VIEWS_MAX}, not '{0}'")]
    Views(f64),
    /// No such share.
    #[error("duplicates must be a share from 0 to 1, not '{0}'")]
    Duplicates(f64),
    /// Racing beyond the calendar.
    #[error(
        "racing from '{start_ms}' ms since the epoch for '{hours}' hours goes beyond year 9999"
    )]
    End {
        /// The start that was asked for.
        start_ms: u64,
        /// And the length.
        hours: f64,
    },
}

/// A workload that can be made: parameters that were checked.
#[derive(Clone, Debug)]
pub struct Workload {
    parameters: Parameters,
    races: u64,
    /// View and watch events in each race.
    tracking: u64,
    duplicates: Share,
    tracking_duplicates: Share,
}

impl Workload {
    /// Takes the parameters.
    ///
    /// # Errors
    /// The first parameter that is out of its range.
    pub fn new(parameters: Parameters) -> Result<Self, ParameterError> {
        let Parameters { hours, racers, concurrent, classes, views, duplicates, start_ms, .. } =
            parameters;
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
        Ok(Self {
            parameters,
            races,
            tracking: (f64::from(concurrent) * f64::from(RACE_SECONDS) * views).round() as u64,
            duplicates: Share::new(duplicates),
            tracking_duplicates: Share::new(duplicates * TRACKING_DUPLICATES),
        })
    }

    /// How many races there are, one after the other.
    pub fn races(&self) -> u64 {
        self.races
    }

    /// How many lines there are, to within what chance makes of the duplicates.
    pub fn expected_lines(&self) -> u64 {
        let race = f64::from(self.parameters.concurrent) * f64::from(RACE_SECONDS);
        let race = race * (1.0 + self.duplicates.get());
        let tracking = self.tracking as f64 * (1.0 + self.tracking_duplicates.get());
        ((race + tracking) * self.races as f64) as u64
    }

    /// Race `window` (from 0): who rides in it, and how.
    pub fn race(&self, window: u64) -> Race<'_> {
        Race::new(self, window)
    }

    /// The lines of race `window` (from 0) in the order of their arrival, a few MB at a time.
    pub fn window(&self, window: u64) -> impl Iterator<Item = Batch> {
        let race = self.race(window);
        (0..self.batches()).map(move |number| race.batch(number))
    }

    /// How many batches a race's lines come in.
    pub fn batches(&self) -> u32 {
        RACE_SECONDS.div_ceil(self.batch_seconds())
    }

    /// How many seconds of arrivals a batch holds: as many as keep it near `BATCH_LINES`.
    fn batch_seconds(&self) -> u32 {
        let lines = f64::from(self.parameters.concurrent) * (1.0 + self.parameters.views);
        ((BATCH_LINES / lines).round() as u32).clamp(1, RACE_SECONDS)
    }
}

#[cfg(test)]
mod tests;
