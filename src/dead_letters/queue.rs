//! The queue of dead letters: accepts them from all threads and writes them to the spool.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{counter, gauge};

use super::dead_letter::DeadLetter;
use super::spool::{SPOOL, Spool, SpoolError};
use crate::health::{Component, Health};
use crate::log::Clock;

/// Serialized dead letters are written to the spool once they reach this size.
const WRITE_BYTES: usize = 64 << 10;

/// The dead letters of a service that wait for the archive. Clones share one queue.
#[derive(Clone, Debug)]
pub struct DeadLetterQueue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    spool: Mutex<Spool>,
    clock: Clock,
    /// Reports drops and failed uploads.
    component: Component,
}

impl DeadLetterQueue {
    /// Opens the queue in the data directory `data`, which only one process may do at a time. `clock`
    /// gives the dead letters their times; problems are reported to `health`.
    ///
    /// # Errors
    /// The spool cannot be created or read.
    pub fn open(data: &Path, clock: Clock, health: &Health) -> Result<Self, SpoolError> {
        let spool = Spool::open(&data.join(SPOOL))?;
        let component = health.component("dead letters");
        let queue = Self(Arc::new(Shared { spool: Mutex::new(spool), clock, component }));
        queue.publish_size(&queue.spool());
        Ok(queue)
    }

    /// Adds dead letters in order. Each is a line in the archive within about a minute. Those that
    /// cannot be written are dropped, counted, and reported. Blocks on the disk.
    pub fn add<'a>(&self, letters: impl IntoIterator<Item = DeadLetter<'a>>) {
        let now_ms = self.0.clock.now();
        let (mut text, mut count) = (Vec::new(), 0);
        for letter in letters {
            letter.write(&mut text, now_ms);
            count += 1;
            if text.len() >= WRITE_BYTES {
                self.write(&text, count, now_ms);
                text.clear();
                count = 0;
            }
        }
        if count > 0 {
            self.write(&text, count, now_ms);
        }
    }

    fn write(&self, text: &[u8], count: u64, now_ms: u64) {
        let mut spool = self.spool();
        match spool.add(text, now_ms) {
            Ok(()) => counter!("velodrome_dead_letters_total").increment(count),
            Err(error) => {
                counter!("velodrome_dead_letters_dropped_total").increment(count);
                // A note stays in `/readyz`, so one is enough until dead letters can be written again.
                if spool.mark_dropping() {
                    self.0.component.note(format_args!(
                        "{error}; the metric velodrome_dead_letters_dropped_total counts the dropped ones"
                    ));
                }
            }
        }
        self.publish_size(&spool);
    }

    pub(super) fn spool(&self) -> MutexGuard<'_, Spool> {
        self.0.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the metric of the spool's size.
    pub(super) fn publish_size(&self, spool: &Spool) {
        gauge!("velodrome_dead_letters_spool_bytes").set(spool.bytes() as f64);
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.0.clock.now()
    }

    /// The entry of `/readyz` for dead letters.
    pub(super) fn component(&self) -> &Component {
        &self.0.component
    }
}
