//! The files of a result directory: their names, and how the directory is prepared for a run.

use std::fs;
use std::path::Path;

use velodrome_dataflows::Rules;

use super::error::WriteError;
use super::summary::SUMMARY;
use crate::atomic_file::remove_if_exists;
use crate::rules;

/// File of the race results: one JSON object per ride.
pub const RIDES: &str = "results.jsonl";
/// File of the best final output of each racer, by class.
pub const LEADERBOARD: &str = "leaderboard.json";
/// File of the view counts, by project.
pub const VIEWS: &str = "views.json";
/// File of the rules in their canonical form. Its SHA-256 is the `rulesId`.
pub const RULES: &str = "rules.json";
/// Directory of the history objects.
pub const HISTORY: &str = "history";

/// Writes rules in their canonical form to `path`.
///
/// # Errors
/// If the file cannot be written.
pub fn write_rules(path: &Path, rules: &Rules) -> Result<(), WriteError> {
    fs::write(path, rules::canonical(rules)).map_err(|e| WriteError::new(path, e))
}

/// Creates the directory `out` and removes `files` of an earlier run from it.
///
/// If the new run is stopped, the directory then has no files of an earlier one.
///
/// # Errors
/// If a directory cannot be created or written.
pub fn clear(out: &Path, files: &[&str]) -> Result<(), WriteError> {
    fs::create_dir_all(out).map_err(|e| WriteError::new(out, e))?;
    for path in files.iter().map(|file| out.join(file)) {
        remove_if_exists(&path).map_err(|e| WriteError::new(&path, e))?;
    }
    Ok(())
}

/// Creates the result directory `out` and removes the result files of an earlier run from it.
///
/// # Errors
/// If a directory cannot be created or written.
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
