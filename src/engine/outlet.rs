//! The outlet of a service's workers: the live state, and how far they are. Other workers can take it over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use velodrome_dataflows::Clock;

use crate::feeds::{FeedChange, Feeds};

/// Where worker 0 tells what lives and what is complete.
#[derive(Debug)]
pub(super) struct Outlet(Mutex<Ends>);

#[derive(Debug, Default)]
struct Ends {
    feeds: Arc<Feeds>,
    complete: watch::Sender<Clock>,
}

impl Outlet {
    /// An outlet into `feeds` and `complete`.
    pub(super) fn new(feeds: Arc<Feeds>, complete: watch::Sender<Clock>) -> Self {
        Self(Mutex::new(Ends { feeds, complete }))
    }

    /// Takes the changes of a tick.
    pub(super) fn apply(&self, time: Clock, changes: Vec<FeedChange>) {
        self.lock().feeds.apply(time, changes);
    }

    /// All up to `time` is complete.
    pub(super) fn complete(&self, time: Clock) {
        self.lock().complete.send_replace(time);
    }

    /// Nobody hears of these workers any more; who listened still does, to nothing, until other workers
    /// take this over.
    pub(super) fn close(&self) -> Closed {
        Closed(std::mem::take(&mut *self.lock()))
    }

    /// Tells those who listened to other workers what these have come to, which is later than all that they
    /// heard, and goes on to tell them.
    pub(super) fn take_over(&self, Closed(listened): Closed) {
        let mut ends = self.lock();
        let complete = *ends.complete.borrow();
        listened.feeds.succeed(&ends.feeds, complete);
        listened.complete.send_replace(complete);
        *ends = listened;
    }

    fn lock(&self) -> MutexGuard<'_, Ends> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who listened to an outlet that was closed.
#[derive(Debug)]
pub(super) struct Closed(Ends);

impl Closed {
    /// The last time that they heard of.
    pub(super) fn heard(&self) -> Clock {
        (*self.0.complete.borrow()).max(self.0.feeds.live().time())
    }
}
