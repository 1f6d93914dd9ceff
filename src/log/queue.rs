//! The bounded queue of batches between the threads that append and the writer.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::gauge;
use tokio::sync::oneshot;

use super::admission::Appended;
use super::error::{AppendError, LogHealth};
use super::log_lines::LogLines;

/// Capacity in batches, more than the number of clients that can wait for an acknowledgement.
const BATCHES_MAX: usize = 4_096;
/// Capacity in bytes. Including the group that is being written, up to twice as many are in memory.
const BYTES_MAX: usize = 64 << 20;

/// The result of an append.
pub(super) type AppendResult = Result<Appended, AppendError>;

/// A batch that waits to become durable.
pub(super) struct Batch<P> {
    pub(super) lines: LogLines,
    pub(super) payload: P,
    pub(super) reply: oneshot::Sender<AppendResult>,
}

/// The result of a wait of the writer.
pub(super) struct Drained<P> {
    /// All queued batches, in order.
    pub(super) batches: Vec<Batch<P>>,
    /// Whether the queue is closed.
    pub(super) is_closed: bool,
    /// Whether the log was asked to advance.
    pub(super) must_advance: bool,
    /// Whether the wait timed out without a batch, a wake or the close.
    pub(super) is_timeout: bool,
}

/// The queue, with the health of its log.
pub(super) struct Queue<P> {
    state: Mutex<State<P>>,
    changed: Condvar,
}

struct State<P> {
    batches: Vec<Batch<P>>,
    bytes: usize,
    is_closed: bool,
    is_woken: bool,
    must_advance: bool,
    is_refusing: bool,
    health: LogHealth,
}

impl<P> Queue<P> {
    pub(super) fn new() -> Self {
        let state = State {
            batches: Vec::new(),
            bytes: 0,
            is_closed: false,
            is_woken: false,
            must_advance: false,
            is_refusing: false,
            health: LogHealth::Healthy,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Adds a batch.
    ///
    /// # Errors
    /// When the queue is full, refusing or closed, and when the log is poisoned.
    pub(super) fn push(
        &self,
        lines: LogLines,
        payload: P,
    ) -> Result<oneshot::Receiver<AppendResult>, AppendError> {
        let mut state = self.lock();
        if let LogHealth::Poisoned(reason) = &state.health {
            return Err(AppendError::Poisoned(reason.clone()));
        }
        if state.is_closed {
            return Err(AppendError::Closed);
        }
        if state.is_refusing {
            return Err(AppendError::MemoryFull);
        }
        let bytes = state.bytes + lines.bytes();
        if state.batches.len() >= BATCHES_MAX || bytes > BYTES_MAX {
            return Err(AppendError::QueueFull);
        }
        let (reply, result) = oneshot::channel();
        state.bytes = bytes;
        state.batches.push(Batch { lines, payload, reply });
        state.record();
        drop(state);
        self.changed.notify_all();
        Ok(result)
    }

    /// Waits for a batch, a wake or the close, and removes all batches. `timeout` limits the wait.
    pub(super) fn drain(&self, timeout: Option<Duration>) -> Drained<P> {
        let idle = |s: &mut State<P>| s.batches.is_empty() && !s.is_closed && !s.is_woken;
        let (mut state, is_timeout) = match timeout {
            Some(timeout) => {
                let waited = self.changed.wait_timeout_while(self.lock(), timeout, idle);
                let (state, result) = waited.unwrap_or_else(PoisonError::into_inner);
                (state, result.timed_out())
            }
            None => {
                let waited = self.changed.wait_while(self.lock(), idle);
                (waited.unwrap_or_else(PoisonError::into_inner), false)
            }
        };
        state.is_woken = false;
        let must_advance = mem::take(&mut state.must_advance);
        state.bytes = 0;
        let batches = mem::take(&mut state.batches);
        state.record();
        Drained { batches, is_closed: state.is_closed, must_advance, is_timeout }
    }

    /// Wakes the writer. If it is not waiting, its next wait ends at once.
    pub(super) fn wake(&self) {
        self.lock().is_woken = true;
        self.changed.notify_all();
    }

    /// Wakes the writer, which then advances.
    pub(super) fn advance(&self) {
        let mut state = self.lock();
        (state.is_woken, state.must_advance) = (true, true);
        drop(state);
        self.changed.notify_all();
    }

    /// Closes the queue. Queued batches stay.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Sets whether the queue refuses batches, because the process has too much memory.
    pub(super) fn set_refusing(&self, is_refusing: bool) {
        self.lock().is_refusing = is_refusing;
    }

    pub(super) fn is_refusing(&self) -> bool {
        self.lock().is_refusing
    }

    pub(super) fn health(&self) -> LogHealth {
        self.lock().health.clone()
    }

    pub(super) fn set_health(&self, health: LogHealth) {
        self.lock().health = health;
    }

    fn lock(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P> State<P> {
    fn record(&self) {
        gauge!("velodrome_log_queue_batches").set(self.batches.len() as f64);
        gauge!("velodrome_log_queue_bytes").set(self.bytes as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event_of(bytes: usize) -> LogLines {
        let mut lines = LogLines::new();
        lines.push(format!("{{\"a\":\"{}\"}}", "x".repeat(bytes)).as_bytes());
        lines
    }

    #[test]
    fn is_full_at_its_number_of_batches_until_it_is_drained() {
        let queue = Queue::new();
        for number in 0..BATCHES_MAX {
            queue.push(event_of(1), number).unwrap();
        }
        assert_eq!(queue.push(event_of(1), 0).unwrap_err(), AppendError::QueueFull);
        let drained: Vec<_> = queue.drain(None).batches.iter().map(|batch| batch.payload).collect();
        assert!(drained.into_iter().eq(0..BATCHES_MAX));
        queue.push(event_of(1), 0).unwrap();
    }

    #[test]
    fn is_full_at_its_bytes_until_it_is_drained() {
        let queue = Queue::new();
        let half = || event_of(BYTES_MAX / 2 - event_of(0).bytes());
        queue.push(half(), ()).unwrap();
        queue.push(half(), ()).unwrap();
        assert_eq!(queue.push(event_of(1), ()).unwrap_err(), AppendError::QueueFull);
        assert_eq!(queue.drain(None).batches.len(), 2);
        queue.push(half(), ()).unwrap();
    }

    #[test]
    fn a_queue_that_refuses_keeps_what_it_has() {
        let queue = Queue::new();
        queue.push(event_of(1), 1).unwrap();
        queue.set_refusing(true);
        assert!(queue.is_refusing());
        assert_eq!(queue.push(event_of(1), 2).unwrap_err(), AppendError::MemoryFull);
        assert_eq!(queue.drain(None).batches.len(), 1);
        queue.set_refusing(false);
        assert!(!queue.is_refusing());
        queue.push(event_of(1), 3).unwrap();
    }

    #[test]
    fn a_wake_before_the_wait_is_not_lost() {
        let queue = Queue::<()>::new();
        queue.wake();
        let drained = queue.drain(None);
        assert!(drained.batches.is_empty() && !drained.is_closed && !drained.is_timeout);
        assert!(queue.drain(Some(Duration::ZERO)).is_timeout);
    }

    #[test]
    fn a_closed_queue_can_be_drained_and_accepts_nothing() {
        let queue = Queue::new();
        queue.push(event_of(1), ()).unwrap();
        queue.close();
        assert_eq!(queue.push(event_of(1), ()).unwrap_err(), AppendError::Closed);
        let drained = queue.drain(None);
        assert!(drained.batches.len() == 1 && drained.is_closed);
    }
}
