//! The embedded log: what was acknowledged is in it, and the archive that it becomes is the truth.
//!
//! ```text
//! append ──► queue ──► writer: arrivals, write, fsync ──► deliver ──► acknowledge
//!                        │ over 64 MB, or 60 s old
//!                        ▼
//!                      sealer: segment ──► archive object
//! ```
//!
//! A data directory holds `log/<sequence>.jsonl`, the segments; the gzip objects that they become are in
//! a store, which is the data directory's `archive/` or another directory or bucket. Both hold the events in
//! the order of the log, a line each, with the arrival as its last field; arrivals never go back. What
//! arrives here arrives when its group is written; what arrived elsewhere before keeps that arrival, but
//! where the log is past it already.
//!
//! Nothing is acknowledged before it is durable. A failed write or fsync leaves open what reached
//! the disk, so nothing is written after it; but for a full disk, where the segment is cut back to
//! what was durable, and the next group tries again.

mod appender;
mod archive;
mod clock;
mod error;
mod files;
mod handle;
mod lines;
mod loggable;
mod queue;
mod recovery;
mod scan;
mod sealer;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

pub use clock::{Clock, ManualTime, SourceTime};
pub use error::{AppendError, Health, LogError};
pub use files::Files;
pub use handle::Log;
pub use lines::{ARRIVAL_BYTES, Lines};
pub use loggable::loggable;
pub use recovery::{Recovered, open};
pub use writer::{Delivery, TICK_MS};
