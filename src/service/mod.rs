//! The service as a whole: a data directory, the log, the engine, checkpoints, publishing and the
//! HTTP interface, started in the order in which they need each other and stopped in the reverse.
//!
//! ```text
//! clients ──► serve ──► log ──► engine ──► answers, feeds ──► serve ──► clients
//!                        │        │   └──► saver ──► checkpoint
//!                        ▼        └──────► publisher ──► history objects
//!                      archive
//! ```

mod config;
mod directory;
mod files;
mod kept;
mod rebuilder;
mod running;
mod saver;

pub use config::{ARCHIVE, Config, HISTORY, ServiceError};
pub use directory::{Directory, DirectoryError};
pub use running::{Running, Service};
