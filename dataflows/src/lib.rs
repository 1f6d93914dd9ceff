//! The dataflow graph of Velodrome.
//!
//! Events go in, arrangements of records, results, leaderboard and views come out. The crate is
//! pure: no socket, file, clock or thread; time is the event clock that comes with the events.
#![deny(missing_docs)]

mod curve;
mod event;
mod leaderboard;
mod output;
mod results;
mod views;

pub use curve::Curve;
pub use event::{ClassId, Clock, RaceId, RacerId, Sample, Tracking};
pub use leaderboard::BestFinal;
pub use output::{Output, RACE_SECONDS_MAX, Rules};
pub use results::RideResult;
pub use views::ViewCount;
