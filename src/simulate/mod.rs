//! Simulated racing: the telemetry and view events of races that start every five minutes.
//!
//! A workload is a pure function of its [`Parameters`]: it uses no clock, file or thread, so the same
//! parameters give the same bytes on every machine. Each second of each race has its own random
//! generator, so any part of a workload can be generated without the parts before it. All lines of a
//! race arrive before the first line of the next race.
//!
//! [`stream`] and [`objects`] write a workload, and [`load_test`] sends it to a service or a stream.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod parameters;
mod random;
mod workload;

mod race;

mod event;
mod lines;

mod batch;

mod write_stats;

pub mod objects;
mod recorded;
pub mod stream;

pub mod load_test;
#[cfg(test)]
mod tests;

pub use batch::{Batch, Line};
pub use parameters::{CONCURRENT_MAX, ParameterError, Parameters, RACE_INTERVAL_MS, RACE_SECONDS};
pub use race::Race;
pub use recorded::{RecordedError, RecordedEvents};
pub use workload::Workload;
pub use write_stats::WriteStats;
