//! The comparison of two sets of rules on the same samples.
//!
//! [`comparison_graph`] builds records, results and leaderboard under the old and the new rules in one
//! dataflow. Once all samples have arrived, [`class_totals`] counts the records, racers and rides under
//! each, and [`board_differences`] lists the rows that differ. [`racer_names`] looks up names for them.
//!
//! In every array of two, the value under the old rules is first.

mod board;
mod differences;
mod graph;
mod names;
mod pages;
mod ranks;
mod totals;

pub use board::{Board, RankedRow, Row};
pub use differences::{BoardDifferences, PODIUM, RowDifference, board_differences};
pub use graph::{ComparisonGraph, ComparisonTraces, comparison_graph};
pub use names::racer_names;
pub use totals::{ClassTotals, class_totals};
