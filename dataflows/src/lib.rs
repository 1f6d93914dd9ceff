//! The dataflow graph of Velodrome.
//!
//! Events go in, arrangements of records, results, leaderboard and views come out. The crate is
//! pure: no socket, file, clock or thread; time is the event clock that comes with the events.
//!
//! In the order of an event's way: [`Sample`] and [`Tracking`] come in, [`output()`] scores samples,
//! [`rides()`] gathers them, and [`records()`], [`results()`], [`leaderboard()`] and [`views()`] keep
//! what follows; [`bans()`] tells whom no answer speaks of. [`graph()`] puts them together.
//! [`sides()`] does the same under two sets of rules, and [`difference()`] tells what it changes.
#![deny(missing_docs)]

mod bans;
mod boards;
mod census;
mod change;
mod curve;
mod difference;
mod event;
mod graph;
mod leaderboard;
mod names;
mod output;
mod queries;
mod query;
mod ranks;
mod records;
mod results;
mod ride;
mod rides;
mod roster;
mod rules;
mod scoring;
mod sides;
mod traces;
mod views;

// How two differences of one key are joined.
pub use differential_dataflow::difference::Semigroup;

pub use bans::{Ban, BanTrace, bans};
pub use boards::{Board, Row};
pub use census::{Census, census};
pub use change::{Change, Kept, OverRide, RetiredRide, RideKey, Stage, Standing};
pub use curve::{Curve, Record};
pub use difference::{Difference, difference};
pub use event::{ClassId, Clock, RaceId, RacerId, Sample, Tracking};
pub use graph::{Graph, Inputs, Traces, graph};
pub use leaderboard::{BestFinal, LeaderboardTrace, leaderboard};
pub use names::{Name, NameTrace, names};
pub use output::{Output, Scored, output};
pub use queries::{Ask, queries};
pub use query::{Answer, ClassSize, Query};
pub use records::{RecordTrace, records};
pub use results::{ResultTrace, RideResult, results};
pub use ride::REPAIR_MS;
pub use rides::{SPAN_MS, rides};
pub use roster::{Mode, RETENTION_MS};
pub use rules::{Correction, ExcludedRace, ExcludedRide, RACE_SECONDS_MAX, Rules, device};
pub use scoring::Scoring;
pub use sides::{Side, SideGraph, sides};
pub use traces::read;
pub use views::{DEDUP_DAYS, ViewCount, ViewTrace, Viewed, views};

/// An arrangement of the graph within its scope.
type Arrangement<'scope, Tr> = differential_dataflow::operators::arrange::Arranged<'scope, Tr>;
