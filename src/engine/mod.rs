//! The engine: workers that read, decode and order the inputs, and run them through the graph.

mod clock;
mod cluster;
mod gather;
mod piece;
mod plan;
mod progress;
mod replay;
mod sequencer;

pub use cluster::{Cluster, ClusterError};
pub use plan::Plan;
pub use progress::Progress;
pub use replay::{Outcome, ReplayError, replay};
