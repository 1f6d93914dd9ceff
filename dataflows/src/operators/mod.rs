//! Operators: they turn events into the arrangements that queries read.
//!
//! The second layer, on top of the values. Each file has one operator: streams in, a stream or an
//! arrangement out. [`output`] and [`rides`](rides()) turn samples into changes; the others arrange the
//! changes of one kind. No operator depends on another.

mod arrangement;
mod bans;
mod leaderboard;
mod names;
mod output;
mod progress;
mod records;
mod results;
mod ride;
mod rides;
mod roster;
mod select;
mod views;

pub use bans::{BanTrace, bans};
pub use leaderboard::{LeaderboardTrace, leaderboard};
pub use names::{NameTrace, names};
pub use output::output;
pub use records::{RecordTrace, records};
pub use results::{ResultTrace, results};
pub use rides::rides;
pub use views::{ViewTrace, views};

pub(crate) use progress::progress_of;
