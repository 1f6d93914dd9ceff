//! The engine: workers that read, decode and order the inputs, and run them through the graph.

mod clock;
mod cluster;
mod compare;
mod gather;
mod junction;
mod live;
mod outlet;
mod piece;
mod plan;
mod progress;
mod reading;
mod recover;
mod replay;
mod sequencer;
mod service;
mod sinks;
mod worker;

pub use cluster::{Cluster, ClusterError};
pub use compare::{Compared, compare};
pub use junction::{Junction, Tee};
pub use live::{Closing, Feeder, Live};
pub use plan::Plan;
pub use progress::Progress;
pub use recover::{RecoverError, Recovered, recover, window_ms};
pub use replay::{Outcome, ReplayError, replay};
pub use service::{COMMANDS_MAX, Command, Engine, EngineError, Events, Inbox, Mailbox};
pub use sinks::Unsaved;
