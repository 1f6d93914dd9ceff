//! The results of a run in memory.

use std::collections::BTreeMap;
use std::path::Path;

use velodrome_dataflows::{
    BestFinal, ClassId, RaceId, RacerId, Record, RideResult, Rules, ViewCount,
};

use super::error::WriteError;
use super::files::{HISTORY, LEADERBOARD, RIDES, RULES, VIEWS, write_rules};
use super::{history, tables};

/// The results of a stream of events.
#[derive(Debug, Default)]
pub struct Results {
    /// The record curve of each racer by class, racers ascending.
    pub records: BTreeMap<ClassId, Vec<(RacerId, Record)>>,
    /// The result of each ride, rides ascending.
    pub rides: Vec<((ClassId, RaceId, RacerId), RideResult)>,
    /// The best final output by class and racer.
    pub leaderboard: BTreeMap<ClassId, BTreeMap<RacerId, BestFinal>>,
    /// The view counts by project.
    pub views: BTreeMap<String, ViewCount>,
}

impl Results {
    /// Number of records: distinct (class, second, racer).
    pub fn record_count(&self) -> u64 {
        let curves = self.records.values().flatten();
        curves.map(|(_, curve)| curve.outputs().count() as u64).sum()
    }

    /// Writes all result files and the file of `rules` into `out`. Writes the history objects on up to
    /// `threads` threads.
    ///
    /// # Errors
    /// The error of the first file that could not be written.
    pub fn write(&self, out: &Path, rules: &Rules, threads: usize) -> Result<(), WriteError> {
        write_rules(&out.join(RULES), rules)?;
        history::write(&out.join(HISTORY), &self.records, threads)?;
        tables::write_rides(&out.join(RIDES), &self.rides)?;
        tables::write_leaderboard(&out.join(LEADERBOARD), &self.leaderboard)?;
        tables::write_views(&out.join(VIEWS), &self.views)
    }
}
