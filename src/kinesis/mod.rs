//! Kinesis data streams: the source of a service, an input of a replay, and a target of the simulator.
//!
//! ```text
//! source ──► one reader per shard ──► chunks ──► decode ──► log ──► durable ──► position
//!   shards     after its parents,       bounded drift                     ──► clock
//!   listed     in parallel              between shards
//! ```
//!
//! In a cluster, each node reads some of the shards while a generation runs ([`NodeSource`]).
//!
//! A shard's position moves only after the log is durable up to it. After a restart, a record may
//! therefore be read a second time, which is harmless, but no record is skipped. If the stream drops
//! records before they are read, `/readyz` reports the gap.

#[cfg(feature = "aws")]
pub mod aggregate;
#[cfg(feature = "aws")]
mod append;
#[cfg(feature = "aws")]
mod archiving;
#[cfg(feature = "aws")]
mod clock_offset;
mod config;
#[cfg(feature = "aws")]
mod context;
mod deal;
#[cfg(feature = "aws")]
mod decode;
#[cfg(feature = "aws")]
mod failures;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod name;
#[cfg(feature = "aws")]
mod node_source;
pub mod positions;
#[cfg(feature = "aws")]
pub mod positions_file;
#[cfg(feature = "aws")]
mod progress;
#[cfg(feature = "aws")]
mod progress_in_stream;
#[cfg(feature = "aws")]
mod progress_of_nodes;
#[cfg(feature = "aws")]
pub mod put;
#[cfg(feature = "aws")]
mod replay;
#[cfg(feature = "aws")]
mod reporting;
#[cfg(feature = "aws")]
mod shard_cursor;
#[cfg(feature = "aws")]
pub mod shard_reader;
mod shard_report;
#[cfg(feature = "aws")]
mod shard_task;
#[cfg(feature = "aws")]
pub mod shards;
#[cfg(feature = "aws")]
mod slice_reader;
#[cfg(feature = "aws")]
mod source;
#[cfg(feature = "aws")]
mod stall;
mod start;
#[cfg(feature = "aws")]
pub mod stream;
#[cfg(feature = "aws")]
pub mod stream_error;
#[cfg(feature = "aws")]
mod supervisor;
#[cfg(test)]
#[cfg(feature = "aws")]
mod tests;
#[cfg(feature = "aws")]
mod time_slice;
#[cfg(not(feature = "aws"))]
mod unsupported;
#[cfg(feature = "aws")]
mod watermarks;

pub use config::{POSITIONS, Sinks, SourceConfig};
pub use deal::Deal;
pub use name::{StreamName, StreamNameError};
#[cfg(feature = "aws")]
pub use node_source::NodeSource;
pub use positions::{Origin, Positions, SourceState, merge};
#[cfg(feature = "aws")]
pub use positions_file::check_positions;
#[cfg(feature = "aws")]
pub use replay::input;
pub use shard_report::ShardReport;
#[cfg(feature = "aws")]
pub use source::{Source, SourceError};
pub use start::{Start, StartError};
#[cfg(not(feature = "aws"))]
pub use unsupported::{NodeSource, Source, SourceError, Unsupported, check_positions, input};
