//! The outlet of a service's workers: the live state, and how far they are. Other workers can take it over.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use velodrome_dataflows::Clock;

use crate::feeds::{FeedChange, Feeds, State};

/// Where worker 0 tells what lives and what is complete.
#[derive(Debug)]
pub(super) struct Outlet(Mutex<Ends>);

#[derive(Debug, Default)]
struct Ends {
    feeds: Arc<Feeds>,
    complete: watch::Sender<Clock>,
    is_closed: bool,
}

impl Outlet {
    /// An outlet into `feeds` and `complete`.
    pub(super) fn new(feeds: Arc<Feeds>, complete: watch::Sender<Clock>) -> Self {
        Self(Mutex::new(Ends { feeds, complete, is_closed: false }))
    }

    /// Takes the changes of a tick.
    pub(super) fn apply(&self, time: Clock, changes: Vec<FeedChange>) {
        self.lock().feeds.apply(time, changes);
    }

    /// All up to `time` is complete; tells whether anybody hears of it.
    pub(super) fn complete(&self, time: Clock) -> bool {
        let ends = self.lock();
        ends.complete.send_replace(time);
        !ends.is_closed
    }

    /// Nobody hears of these workers any more; who listened still does, to nothing, until other workers
    /// take this over.
    pub(super) fn close(&self) -> Closed {
        let nobody = Ends { is_closed: true, ..Ends::default() };
        Closed(mem::replace(&mut *self.lock(), nobody))
    }

    /// Tells those who listened to other workers what these have come to, which is later than all that they
    /// heard, and goes on to tell them.
    ///
    /// What lived before is returned: it may be large.
    pub(super) fn take_over(&self, Closed(listened): Closed) -> State {
        let mut ends = self.lock();
        let complete = *ends.complete.borrow();
        let before = listened.feeds.succeed(&ends.feeds, complete);
        listened.complete.send_replace(complete);
        *ends = listened;
        before
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
