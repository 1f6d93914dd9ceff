//! What a change of the rules changes: the files that tell it, row by row, and a summary.
//!
//! `changes.jsonl`, `leaderboard-changes.json` and `results-changes.jsonl` are functions of the events and of both
//! rules alone, byte for byte; `summary.json` tells how the run went beside what it counts of them.

use std::path::Path;

use crate::results::summary::SUMMARY;
use crate::results::{RULES, WriteError, clear};

mod counts;
mod files;
mod summary;

pub use counts::{ClassCounts, Counts, Move};
pub use files::{Changes, written};
pub use summary::{ClassSummary, Pair, Summary};

/// File of the changed records: one JSON object for each row of a board, by class, second and racer.
pub const CHANGES: &str = "changes.jsonl";
/// File of the changed rows of the leaderboards, by class and racer.
pub const LEADERBOARD_CHANGES: &str = "leaderboard-changes.json";
/// File of the changed race results: one JSON object a ride.
pub const RESULTS_CHANGES: &str = "results-changes.jsonl";
/// File of the old rules in their canonical form; the new ones are in `rules.json`.
pub const AGAINST: &str = "against.json";

/// Makes the directory `out` and empties it of what an earlier comparison wrote there.
///
/// # Errors
/// A directory that cannot be made or written.
pub fn prepare(out: &Path) -> Result<(), WriteError> {
    clear(out, &[CHANGES, LEADERBOARD_CHANGES, RESULTS_CHANGES, AGAINST, RULES, SUMMARY])
}
