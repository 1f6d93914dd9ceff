//! The state of a service that its readers see: the live state and the complete time.
//!
//! When the service switches to other workers, it freezes this state, so that readers see no progress.
//! It then attaches the same readers to the state of the new workers.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use velodrome_dataflows::EventTime;

use crate::live_state::{LiveChange, LiveState, LiveTables};

/// The state that worker 0 updates and readers see.
#[derive(Debug)]
pub(super) struct ReaderState(Mutex<Readers>);

#[derive(Debug, Default)]
struct Readers {
    live_state: Arc<LiveState>,
    complete: watch::Sender<EventTime>,
    /// Whether no reader is attached.
    is_detached: bool,
}

/// The readers of workers that are about to be replaced. They see the state at the freeze until they are
/// attached to other workers.
#[derive(Debug)]
pub struct FrozenReaders(Readers);

impl ReaderState {
    /// A reader state that updates `live_state` and `complete`.
    pub(super) fn new(live_state: Arc<LiveState>, complete: watch::Sender<EventTime>) -> Self {
        Self(Mutex::new(Readers { live_state, complete, is_detached: false }))
    }

    /// Applies the changes of a tick to the live state.
    pub(super) fn apply(&self, time: EventTime, changes: Vec<LiveChange>) {
        self.lock().live_state.apply(time, changes);
    }

    /// Publishes that everything up to `time` is complete. Returns whether readers are attached.
    pub(super) fn publish_complete(&self, time: EventTime) -> bool {
        let readers = self.lock();
        readers.complete.send_replace(time);
        !readers.is_detached
    }

    /// Detaches the readers. Later updates go to a state without readers.
    pub(super) fn freeze(&self) -> FrozenReaders {
        let detached = Readers { is_detached: true, ..Readers::default() };
        FrozenReaders(mem::replace(&mut *self.lock(), detached))
    }

    /// Attaches `frozen` readers to this state and reports all differences to them as changes. This
    /// state must be at a later time than any they saw.
    ///
    /// Returns their previous live state, so that the caller can drop it outside the lock; it can be
    /// large.
    pub(super) fn attach(&self, FrozenReaders(frozen): FrozenReaders) -> LiveTables {
        let mut readers = self.lock();
        let complete = *readers.complete.borrow();
        let previous = frozen.live_state.replace_with(&readers.live_state, complete);
        frozen.complete.send_replace(complete);
        *readers = frozen;
        previous
    }

    fn lock(&self) -> MutexGuard<'_, Readers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FrozenReaders {
    /// The last time that the readers saw.
    pub fn last_time(&self) -> EventTime {
        (*self.0.complete.borrow()).max(self.0.live_state.read().time())
    }
}
