//! The results of a run, and the result directory.
//!
//! The events alone determine every byte of `history/class-N.gz`, `results.jsonl`, `leaderboard.json`
//! and `views.json`. The lines of the input determine `rejected.jsonl`. `summary.json` has the counts
//! and the cost of the run.

mod error;
mod files;
pub(crate) mod history;
mod input_counts;
mod overview;
mod run_results;
pub mod summary;
mod tables;

pub use error::WriteError;
pub use files::{HISTORY, LEADERBOARD, RIDES, RULES, VIEWS, write_rules};
pub use input_counts::{InputCounts, display_as_of};
pub use overview::Overview;
pub use run_results::Results;
