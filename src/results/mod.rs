//! The results of a run, and the directory that holds them.
//!
//! `history/class-N.gz`, `results.jsonl`, `leaderboard.json` and `views.json` are functions of the
//! events alone, byte for byte; `rejected.jsonl` of the input's lines; `summary.json` tells how the
//! run went.

pub(crate) mod history;
mod overview;
pub mod summary;
mod tables;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use overview::Overview;
use summary::SUMMARY;
use thiserror::Error;
use velodrome_dataflows::{
    BestFinal, ClassId, RaceId, RacerId, Record, RideResult, Rules, ViewCount,
};

use crate::atomic_file::remove_if_exists;
use crate::rules;

/// File of the race results: one JSON object a ride.
pub const RIDES: &str = "results.jsonl";
/// File of the best final output of each racer by class.
pub const LEADERBOARD: &str = "leaderboard.json";
/// File of the view counts by project.
pub const VIEWS: &str = "views.json";
/// File of the rules in their canonical form: its SHA-256 is their identity.
pub const RULES: &str = "rules.json";
/// Directory of the history objects.
pub const HISTORY: &str = "history";

/// A result that could not be written.
#[derive(Debug, Error)]
#[error("cannot write '{path}': {reason}; give --out a directory that can be written")]
pub struct WriteError {
    /// What was being written.
    pub path: PathBuf,
    reason: io::Error,
}

impl WriteError {
    /// Names the file that `reason` befell.
    pub fn new(path: &Path, reason: io::Error) -> Self {
        Self { path: path.to_owned(), reason }
    }
}

/// All that a stream of events came to.
#[derive(Debug, Default)]
pub struct Results {
    /// By class, the record curve of each racer, racers ascending.
    pub records: BTreeMap<ClassId, Vec<(RacerId, Record)>>,
    /// The rides, ascending.
    pub rides: Vec<((ClassId, RaceId, RacerId), RideResult)>,
    /// The best final output by class and racer.
    pub leaderboard: BTreeMap<ClassId, BTreeMap<RacerId, BestFinal>>,
    /// The view counts by project.
    pub views: BTreeMap<String, ViewCount>,
}

impl Results {
    /// How many records there are: distinct (class, second, racer).
    pub fn record_count(&self) -> u64 {
        let curves = self.records.values().flatten();
        curves.map(|(_, curve)| curve.outputs().count() as u64).sum()
    }

    /// Writes all result files into `out`, with the rules that they follow from; history objects on up to
    /// `threads` threads.
    ///
    /// # Errors
    /// The first file that could not be written.
    pub fn write(&self, out: &Path, rules: &Rules, threads: usize) -> Result<(), WriteError> {
        write_rules(&out.join(RULES), rules)?;
        history::write(&out.join(HISTORY), &self.records, threads)?;
        tables::write_rides(&out.join(RIDES), &self.rides)?;
        tables::write_leaderboard(&out.join(LEADERBOARD), &self.leaderboard)?;
        tables::write_views(&out.join(VIEWS), &self.views)
    }
}

/// Writes rules in their canonical form at `path`.
///
/// # Errors
/// A file that cannot be written.
pub fn write_rules(path: &Path, rules: &Rules) -> Result<(), WriteError> {
    fs::write(path, rules::canonical(rules)).map_err(|e| WriteError::new(path, e))
}

/// Makes the directory `out` and removes `files` of an earlier run from it: a run that is stopped leaves nothing of
/// another that looks like its own.
///
/// # Errors
/// A directory that cannot be made or written.
pub fn clear(out: &Path, files: &[&str]) -> Result<(), WriteError> {
    fs::create_dir_all(out).map_err(|e| WriteError::new(out, e))?;
    for path in files.iter().map(|file| out.join(file)) {
        remove_if_exists(&path).map_err(|e| WriteError::new(&path, e))?;
    }
    Ok(())
}

/// Makes the result directory `out` and empties it of what an earlier run wrote there.
///
/// # Errors
/// A directory that cannot be made or written.
pub fn prepare(out: &Path) -> Result<(), WriteError> {
    let history = out.join(HISTORY);
    fs::create_dir_all(&history).map_err(|e| WriteError::new(&history, e))?;
    for entry in fs::read_dir(&history).map_err(|e| WriteError::new(&history, e))? {
        let path = entry.map_err(|e| WriteError::new(&history, e))?.path();
        if path.extension().is_some_and(|extension| extension == "gz") {
            fs::remove_file(&path).map_err(|e| WriteError::new(&path, e))?;
        }
    }
    clear(out, &[RIDES, LEADERBOARD, VIEWS, RULES, SUMMARY])
}
