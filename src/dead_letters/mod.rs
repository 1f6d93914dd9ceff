//! Dead letters of a service: the events that were not taken, as Firehose keeps those that its transformation
//! failed on (CONTRACTS, section 6).
//!
//! ```text
//! keep ──► <data>/rejected/: the spool ──(a minute old, or 8 MiB)──► courier ──► the archive:
//!                                                                                processing-failed/
//! ```
//!
//! What is kept outlives the process, not a loss of power within its minute. Where the archive takes none,
//! 256 MiB wait for it; what comes then is dropped, counted, and told.

mod courier;
mod letter;
mod spool;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{counter, gauge};

pub use courier::Courier;
pub use letter::{Letter, Source};
use spool::Spool;
pub use spool::SpoolError;

use crate::health::{Health, Part};
use crate::log::Clock;

/// How many bytes of letters are made before they are written.
const PIECE_BYTES: usize = 64 << 10;

/// The dead letters of a service; clones are handles of the same.
#[derive(Clone, Debug)]
pub struct DeadLetters(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    spool: Mutex<Spool>,
    clock: Clock,
    /// What is dropped is told here.
    part: Part,
}

impl DeadLetters {
    /// Those that wait in the data directory `data`, which only one process may do at a time. Letters are dated
    /// by `clock`; what goes wrong is told to `health`.
    ///
    /// # Errors
    /// A spool that cannot be made or read.
    pub fn open(data: &Path, clock: Clock, health: &Health) -> Result<Self, SpoolError> {
        let spool = Spool::open(&data.join("rejected"))?;
        gauge!("velodrome_dead_letters_spool_bytes").set(spool.bytes() as f64);
        let part = health.part("dead letters");
        Ok(Self(Arc::new(Shared { spool: Mutex::new(spool), clock, part })))
    }

    /// Keeps letters, in order, each a line in the archive within about a minute. Those that cannot be kept
    /// are dropped, counted, and told. Blocks on the disk.
    pub fn keep<'a>(&self, letters: impl IntoIterator<Item = Letter<'a>>) {
        let now_ms = self.0.clock.now();
        let (mut text, mut count) = (Vec::new(), 0);
        for letter in letters {
            letter.write(&mut text, now_ms);
            count += 1;
            if text.len() >= PIECE_BYTES {
                self.add(&text, count, now_ms);
                text.clear();
                count = 0;
            }
        }
        if count > 0 {
            self.add(&text, count, now_ms);
        }
    }

    fn add(&self, text: &[u8], count: u64, now_ms: u64) {
        let mut spool = self.spool();
        match spool.add(text, now_ms) {
            Ok(()) => counter!("velodrome_dead_letters_total").increment(count),
            Err(error) => {
                counter!("velodrome_dead_letters_dropped_total").increment(count);
                // Once until some can be kept again: a note stays.
                if spool.begins_to_drop() {
                    let told =
                        "velodrome_dead_letters_dropped_total counts those that were dropped";
                    self.0.part.note(format_args!("{error}; {told}"));
                }
            }
        }
        gauge!("velodrome_dead_letters_spool_bytes").set(spool.bytes() as f64);
    }

    fn spool(&self) -> MutexGuard<'_, Spool> {
        self.0.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
