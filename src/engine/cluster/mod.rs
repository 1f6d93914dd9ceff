//! The processes of a run: how they find each other, check that they belong together, and end together.
//!
//! All processes connect to process 0, which admits them if their settings and inputs equal its own.
//! These *control connections* last until the run ends: heartbeats, losses and the exit status pass
//! through them. Once all processes are admitted, each pair opens a *data link*, over which timely
//! exchanges records. The connections are those of `mesh`: with certificates, both ends are authenticated.
//! Each begins with a hello; strangers that send something else are disconnected. Every wait has a limit.

mod error;
mod hosts;
mod settings;

mod control;
mod listener;
mod members;
mod message;

mod admission;
mod data_links;
mod dial;
mod forming;

mod end;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod workers;

pub use error::ClusterError;
pub use hosts::Cluster;
pub use members::Members;
pub use settings::Settings;
pub(super) use workers::start_local;
