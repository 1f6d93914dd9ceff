//! Comparison of two sets of rules over the same events: files with every changed row, and a summary.
//!
//! The events and the two sets of rules alone determine every byte of `changes.jsonl`,
//! `leaderboard-changes.json` and `results-changes.jsonl`. `summary.json` has the counts of the changes
//! and the cost of the run.

use std::path::Path;

use crate::results::summary::SUMMARY;
use crate::results::{RULES, WriteError, clear};

mod counts;
mod files;
mod summary;
mod terminal;

pub use counts::{ChangeCounter, ClassCounts, RankMove};
pub use files::{
    AGAINST, CHANGES, ChangeFiles, LEADERBOARD_CHANGES, RESULTS_CHANGES, encode_board,
};
pub use summary::{ClassSummary, OldNew, Summary};

/// Creates the directory `out` and removes the files of an earlier comparison from it.
///
/// # Errors
/// If the directory cannot be created or written.
pub fn prepare(out: &Path) -> Result<(), WriteError> {
    clear(out, &[CHANGES, LEADERBOARD_CHANGES, RESULTS_CHANGES, AGAINST, RULES, SUMMARY])
}
