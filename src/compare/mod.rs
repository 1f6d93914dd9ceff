//! Comparison of two sets of rules over the same events: files with every changed row, and a summary.
//!
//! The events and the two sets of rules alone determine every byte of `changes.jsonl`,
//! `leaderboard-changes.json` and `results-changes.jsonl`. `summary.json` counts the changes, lists the
//! most important ones by name, and has the cost of the run.

mod class_changes;
mod class_summary;
mod counts;
mod files;
mod highlights;
mod leaderboard;
mod old_new;
mod order;
mod podium;
mod ranks;
mod summary;
mod terminal;

pub use class_changes::{ChangeCollector, ClassChanges};
pub use class_summary::{ClassNumbers, ClassSummary};
pub use counts::ClassCounts;
pub use files::{
    AGAINST, CHANGES, ChangeFiles, LEADERBOARD_CHANGES, RESULTS_CHANGES, encode_board,
};
pub use leaderboard::{LeaderboardChanges, RankMove, RankShift};
pub use old_new::OldNew;
pub use podium::{PodiumChange, RankedRacer};
pub use ranks::Ranks;
pub use summary::Summary;
