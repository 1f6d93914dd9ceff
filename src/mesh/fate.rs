//! Whether a generation still lives, and why it ended.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use super::mutex::lock;

type Notify = Box<dyn FnOnce(&str) + Send>;

/// The state of a generation, shared by all that takes part in it. Clones are cheap.
///
/// It ends once, for the first reason that is given. Ending it stops no thread: its owner must call
/// [`Mesh::end`](super::Mesh::end).
#[derive(Clone)]
pub struct Fate {
    shared: Arc<Shared>,
}

struct Shared {
    reason: OnceLock<Reason>,
    state: Mutex<State>,
    changed: Condvar,
}

struct Reason {
    text: String,
    is_consequence: bool,
}

struct State {
    notify: Option<Notify>,
    /// Threads to unpark at the end.
    threads: Vec<Thread>,
    /// Whether timely's network threads may return to timely.
    is_released: bool,
}

impl Fate {
    /// The fate of a new generation. Its end calls `notify` with the reason, once. `notify` runs on the
    /// thread that ends the generation, which may have locks of timely, so it must not block.
    pub fn new(notify: impl FnOnce(&str) + Send + 'static) -> Self {
        let notify: Option<Notify> = Some(Box::new(notify));
        let state = State { notify, threads: Vec::new(), is_released: false };
        let (reason, changed) = (OnceLock::new(), Condvar::new());
        Self { shared: Arc::new(Shared { reason, state: Mutex::new(state), changed }) }
    }

    /// Ends the generation, and unparks the registered threads. The first reason wins.
    pub fn end(&self, reason: impl Into<String>) {
        self.end_for(Reason { text: reason.into(), is_consequence: false });
    }

    /// Ends the generation as [`end`](Self::end) does, because another node left it. That node knows the cause.
    pub fn end_as_consequence(&self, reason: impl Into<String>) {
        self.end_for(Reason { text: reason.into(), is_consequence: true });
    }

    fn end_for(&self, reason: Reason) {
        if self.shared.reason.set(reason).is_err() {
            return;
        }
        let mut state = lock(&self.shared.state);
        self.shared.changed.notify_all();
        state.threads.iter().for_each(Thread::unpark);
        let notify = state.notify.take();
        drop(state);
        if let (Some(notify), Some(reason)) = (notify, self.reason()) {
            notify(reason);
        }
    }

    /// Why the generation ended, or `None` while it lives.
    pub fn reason(&self) -> Option<&str> {
        self.shared.reason.get().map(|reason| reason.text.as_str())
    }

    /// Whether the generation ended because another node left it.
    pub fn is_consequence(&self) -> bool {
        self.shared.reason.get().is_some_and(|reason| reason.is_consequence)
    }

    /// Whether the generation has ended. Costs a few nanoseconds.
    pub fn has_ended(&self) -> bool {
        self.reason().is_some()
    }

    /// Waits until the generation ends or `limit` has passed. Returns the reason of the end.
    pub fn wait_timeout(&self, limit: Duration) -> Option<&str> {
        let state = lock(&self.shared.state);
        let waiting = self.shared.changed.wait_timeout_while(state, limit, |_| !self.has_ended());
        drop(waiting);
        self.reason()
    }

    /// Unparks the current thread when the generation ends, or at once if it has ended.
    ///
    /// The workers of a mesh are registered. A worker must check [`has_ended`](Self::has_ended) directly
    /// before it parks: whatever parks in between, such as an empty channel, can consume the unparking.
    pub fn register_current_thread(&self) {
        lock(&self.shared.state).threads.push(thread::current());
        if self.has_ended() {
            thread::current().unpark();
        }
    }

    /// Lets timely's network threads return to timely. All workers must have stopped, because these
    /// threads then deliver messages that are padded with zeros.
    pub(super) fn release(&self) {
        lock(&self.shared.state).is_released = true;
        self.shared.changed.notify_all();
    }

    /// Waits until [`release`](Self::release) is called.
    pub(super) fn wait_for_release(&self) {
        let state = lock(&self.shared.state);
        let released = self.shared.changed.wait_while(state, |state| !state.is_released);
        drop(released.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Default for Fate {
    /// A fate that notifies nobody.
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for Fate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Fate").field("reason", &self.reason()).finish_non_exhaustive()
    }
}
