//! The live service: starts its components in the order of their dependencies, and stops them in
//! reverse.
//!
//! ```text
//! clients ──► serve ──► log ──► engine ──► answers, live state ──► serve ──► clients
//!                        │        │   └──► saver ──► checkpoint
//!                        ▼        └──────► publisher ──► history objects
//!                      archive
//! ```
//!
//! [`Service::listen`] opens everything and answers requests with 503 `starting`. [`Service::start`]
//! recovers the engine and accepts events. [`RunningService::stop`] ends it without losing data.

mod config;
mod data_directory;
mod error;

mod checkpoint_file;
mod engine_state;
mod event_input;
pub mod saved_rules;
mod stores;

mod handles;
mod http_server;
mod listening;
mod running_log;
mod running_source;
mod start;

mod background;
mod catch_up;
mod cluster_node;
mod generation;
mod layout;
mod memory_monitor;
mod mutex;
mod node_generations;
mod node_links;
mod node_logs;
mod rebuild;
mod rebuild_context;
mod rebuild_error;
mod rebuilder;
mod reloader;
mod replacer;
mod rule_switcher;
mod running;
mod saver;
mod sealed_meanwhile;
mod service_clock;
mod stoppable_thread;
#[cfg(test)]
mod tests;

pub use checkpoint_file::CHECKPOINT;
pub use config::{ARCHIVE, Config, HISTORY};
pub use data_directory::{DataDirectory, DataDirectoryError, LOCK, is_served};
pub use error::ServiceError;
pub use layout::LAYOUT;
pub use listening::Service;
pub use running::RunningService;
