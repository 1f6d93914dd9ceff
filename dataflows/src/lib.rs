//! The dataflow graph of Velodrome: race and view events in, records, results, leaderboard and view
//! counts out.
//!
//! The crate is pure: it has no socket, file, clock or thread. Time is the event clock, which the events
//! carry.
//!
//! # The path of an event
//!
//! 1. A [`Sample`] enters [`graph()`]. [`output()`] sends it to the worker of its racer and scores it by
//!    the [`Rules`].
//! 2. [`rides()`] adds it to its ride. When the ride closes, it emits [`Change`]s: outputs for the
//!    record, a name, a result.
//! 3. [`records()`], [`results()`], [`leaderboard()`], [`names()`] and [`bans()`] each arrange one kind
//!    of change. [`views()`] counts each [`Tracking`] event once and arranges the counts.
//! 4. [`answer_queries()`] answers a [`Query`] from the arrangements as of one time, on any number of
//!    workers. [`read_trace()`] reads one arrangement directly.
//!
//! [`comparison_graph()`] runs the same operators under two sets of rules at once, and
//! [`board_differences()`] lists what the new rules change.
//!
//! # Layers
//!
//! A file imports only from its own layer or a lower one, and no two files import each other.
//!
//! | layer | files |
//! |---|---|
//! | queries and comparison | `queries/`, `comparison/` |
//! | graph | `graph.rs` |
//! | operators | `operators/`, `traces.rs` |
//! | values | `values/` |
#![deny(missing_docs)]

mod values;

mod operators;
mod traces;

mod graph;

mod comparison;
mod queries;

/// Defines how two differences of one key are added; see
/// [`differential_dataflow::difference::Semigroup`].
pub use differential_dataflow::difference::Semigroup;

pub use comparison::{
    Board, BoardDifferences, ClassTotals, ComparisonGraph, ComparisonTraces, PODIUM, RankedRow,
    Row, RowDifference, board_differences, class_totals, comparison_graph, racer_names,
};
pub use graph::{Graph, Inputs, Traces, graph};
pub use operators::{
    BanTrace, LeaderboardTrace, NameTrace, RecordTrace, ResultTrace, ViewTrace, bans, leaderboard,
    names, output, records, results, rides, views,
};
pub use queries::{Answer, ClassSize, Query, QueryRequest, answer_queries};
pub use traces::read_trace;
pub use values::{
    Ban, BestFinal, Change, ClassId, Correction, Curve, DEDUP_DAYS, EVENT_LAG_MS_MAX, EventTime,
    ExcludedRace, ExcludedRide, FinishedRide, Mode, Name, Output, RACE_SECONDS_MAX,
    REPAIR_WINDOW_MS, RETENTION_MS, RaceId, RacerId, RacerKey, Record, RetiredRide, RideKey,
    RideResult, Rules, Sample, SavedRide, ScoredSample, Scoring, Stage, Standing, Tracking,
    ViewChange, ViewCount, device_hash, name_time,
};
