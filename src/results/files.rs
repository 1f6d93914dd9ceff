//! The names of the files of a result directory, and the file of the rules.

use std::fs;
use std::path::Path;

use velodrome_dataflows::Rules;

use super::error::WriteError;
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
