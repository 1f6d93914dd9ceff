//! The dead letters of a service: events that were rejected, kept in the format of Firehose's
//! processing-failed records.
//!
//! ```text
//! add ──► spool: <data>/rejected/ ──(a minute old, or 8 MiB)──► uploader ──► archive: processing-failed/
//! ```
//!
//! Dead letters survive a crash of the process, but those of the last minute may not survive a power
//! failure. While the archive is unreachable, up to 256 MiB wait in the spool. Further dead letters are
//! dropped, counted, and reported by `/readyz`.

mod dead_letter;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod queue;
mod spool;
#[cfg(test)]
mod tests;
mod uploader;

pub use dead_letter::{DeadLetter, Source};
pub use queue::DeadLetterQueue;
pub use spool::{SPOOL, SpoolError};
pub use uploader::Uploader;
