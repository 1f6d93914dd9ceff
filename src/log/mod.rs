//! The embedded log: makes events durable before it acknowledges them, and moves them to the archive.
//!
//! ```text
//! append ──► queue ──► writer: stamp, admit, write, fsync ──► deliver ──► acknowledge
//!                        │ over 64 MB, or 60 s old
//!                        ▼
//!                      sealer: segment ──► archive object
//! ```
//!
//! The segments are the files `log/<sequence>.jsonl` of a data directory. The gzip objects that they
//! become are in a store: the directory `archive/` of the data directory, another directory, or a
//! bucket. Both have the events in the order of the log, one per line, with the arrival as the last
//! field.
//!
//! The log's clock runs by the machine's monotonic time, so no step of the wall clock reaches it
//! ([`Clock`]). Arrivals never decrease. A line's arrival is the time when its group is written. A line with a
//! recorded arrival, because its event arrived elsewhere first, keeps that time unless the log's time
//! has already passed it.
//!
//! Nothing is acknowledged before it is durable. After a failed write or `fsync`, it is unknown which
//! bytes reached the disk, so the log writes nothing until a restart. A full disk is the exception: the
//! segment is cut back to what was durable, and the next group is tried.
//!
//! The log can reject lines in its own order, before it writes them: see [`Admission`].
//!
//! The log uses stores, inputs and health. It does not depend on the engine: its consumer is a closure.

mod admission;
mod arrival_slots;
mod clock;
mod delivery;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod log_lines;
mod log_text;
mod running_clock;

mod appender;
mod checksums;
mod handle;
mod positions;
mod queue;
mod segment;
mod writer;

mod archive;
mod check;
mod check_files;
mod log_files;
mod opened_log;
mod scan;
mod sealer;
mod segment_contents;
mod segment_id;
#[cfg(test)]
mod tests;

pub use crate::ingest::object_names::LOG_FOLDER;
pub use admission::{Admission, AdmitAll, Appended, RejectedLine};
pub use arrival_slots::ArrivalSlots;
pub use check::{CheckedLog, LogCheck};
pub use checksums::checksums_key;
pub use clock::{Clock, ManualClock, SourceClock};
pub use delivery::{Delivery, TICK_MS};
pub use error::{AppendError, LogError, LogHealth, Obstacle};
pub use handle::Log;
pub use log_files::LogFiles;
pub use log_lines::{ARRIVAL_BYTES, LogLines};
pub use log_text::log_text;
pub use opened_log::{OpenedLog, open};
pub use positions::{LogPosition, Positions};
pub use running_clock::MachineClocks;
pub use segment_id::SegmentId;
