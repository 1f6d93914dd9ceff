//! The engine: timely workers that run events through the dataflow graph.
//!
//! A replay or a comparison reads files, with workers in one or more processes. A service feeds the same
//! graph from its log and queries it as it runs.
//!
//! The engine reads inputs through `ingest`, receives the deliveries of `log` and updates the live
//! state. It does not depend on HTTP, JSON answers or checkpoint files. Only this module and
//! `velodrome-dataflows` use timely.
//!
//! Results depend only on the order of the events, not on workers, processes or batches.

mod cluster;
mod event_clock;
mod event_groups;
mod merged_reader;
mod partition_reader;
mod plan;
mod run_progress;

mod batch_reader;
mod batch_report;
mod clocked_batches;
mod decoded_batch;
mod known_rides;
mod reading;
mod run_admission;
mod sequencer;
mod sequencer_dataflow;

mod compare;
mod differences;
mod gather;
mod replay;
mod run;

mod command;
mod command_channel;
mod error;
mod live_updates;
mod place;
mod query_input;
mod reader_state;
mod unsaved_changes;
mod worker;

mod backlog;
mod fanout;
mod feeder;
mod handle;
mod log_reader;
mod recover;
mod recover_error;
mod requests;
mod ride_admission;
mod running_engine;
mod standby_feed;
#[cfg(test)]
mod test_support;

#[cfg(any(test, fuzzing))]
pub(crate) use cluster::fuzz;
pub use cluster::{Cluster, ClusterError, Members, Settings};
pub use command::{Command, Events};
pub use command_channel::{COMMANDS_MAX, CommandReceiver, CommandSender, command_channel};
pub use compare::{Comparison, ComparisonOutcome, compare};
pub use error::EngineError;
pub use fanout::Fanout;
pub use feeder::Feeder;
pub use handle::Engine;
pub use place::Place;
pub use plan::Plan;
pub use reader_state::FrozenReaders;
pub use recover::{RecoveryCounts, recover, recovery_window_ms};
pub use recover_error::RecoverError;
pub use replay::{ReplayOutcome, replay};
pub use ride_admission::RideAdmission;
pub use run::RunError;
pub use run_progress::RunProgress;
pub use running_engine::RunningEngine;
pub use standby_feed::StandbyFeed;
pub use unsaved_changes::UnsavedChanges;
