//! The bounded queue of batches between those who append and the writer.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::gauge;
use tokio::sync::oneshot;

use super::error::{AppendError, Health};
use super::lines::Lines;

/// How many batches wait at most: more than there are clients that wait for their answers.
const BATCHES_MAX: usize = 4_096;
/// How many bytes wait at most, so that with the group that is being written a process holds no
/// more than twice as many.
const BYTES_MAX: usize = 64 << 20;

/// What an append is answered.
pub(super) type Answer = Result<u64, AppendError>;

/// A batch that waits to become durable.
pub(super) struct Batch<P> {
    pub(super) lines: Lines,
    pub(super) payload: P,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// What the writer found when it was woken.
pub(super) struct Taken<P> {
    /// All batches that waited, in order.
    pub(super) batches: Vec<Batch<P>>,
    /// No more will come.
    pub(super) is_closed: bool,
    /// Nothing happened for as long as was to be waited.
    pub(super) is_timeout: bool,
}

/// The queue, and how the log behind it is.
pub(super) struct Queue<P> {
    state: Mutex<State<P>>,
    changed: Condvar,
}

struct State<P> {
    batches: Vec<Batch<P>>,
    bytes: usize,
    is_closed: bool,
    is_woken: bool,
    health: Health,
}

impl<P> Queue<P> {
    pub(super) fn new() -> Self {
        let state = State {
            batches: Vec::new(),
            bytes: 0,
            is_closed: false,
            is_woken: false,
            health: Health::Healthy,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Adds a batch.
    ///
    /// # Errors
    /// A queue that is full, closed, or leads to a poisoned log.
    pub(super) fn push(
        &self,
        lines: Lines,
        payload: P,
    ) -> Result<oneshot::Receiver<Answer>, AppendError> {
        let mut state = self.lock();
        if let Health::Poisoned(reason) = &state.health {
            return Err(AppendError::Poisoned(reason.clone()));
        }
        if state.is_closed {
            return Err(AppendError::Closed);
        }
        let bytes = state.bytes + lines.bytes();
        if state.batches.len() >= BATCHES_MAX || bytes > BYTES_MAX {
            return Err(AppendError::Full);
        }
        let (answer, answered) = oneshot::channel();
        state.bytes = bytes;
        state.batches.push(Batch { lines, payload, answer });
        gauge!("velodrome_log_queue_batches").set(state.batches.len() as f64);
        drop(state);
        self.changed.notify_all();
        Ok(answered)
    }

    /// Waits for a batch, a wake or the end, at most for `wait` where there is one, and takes all
    /// batches.
    pub(super) fn take(&self, wait: Option<Duration>) -> Taken<P> {
        let idle = |s: &mut State<P>| s.batches.is_empty() && !s.is_closed && !s.is_woken;
        let (mut state, is_timeout) = match wait {
            Some(wait) => {
                let waited = self.changed.wait_timeout_while(self.lock(), wait, idle);
                let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                (state, timeout.timed_out())
            }
            None => {
                let waited = self.changed.wait_while(self.lock(), idle);
                (waited.unwrap_or_else(PoisonError::into_inner), false)
            }
        };
        state.is_woken = false;
        state.bytes = 0;
        let batches = mem::take(&mut state.batches);
        gauge!("velodrome_log_queue_batches").set(0.0);
        Taken { batches, is_closed: state.is_closed, is_timeout }
    }

    /// Wakes the writer, or has its next wait end at once.
    pub(super) fn wake(&self) {
        self.lock().is_woken = true;
        self.changed.notify_all();
    }

    /// Takes no more batches; those that wait stay.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    pub(super) fn health(&self) -> Health {
        self.lock().health.clone()
    }

    pub(super) fn set_health(&self, health: Health) {
        self.lock().health = health;
    }

    fn lock(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event_of(bytes: usize) -> Lines {
        let mut lines = Lines::new();
        lines.push(format!("{{\"a\":\"{}\"}}", "x".repeat(bytes)).as_bytes());
        lines
    }

    #[test]
    fn takes_no_more_batches_than_its_bound_until_they_are_taken() {
        let queue = Queue::new();
        for number in 0..BATCHES_MAX {
            queue.push(event_of(1), number).unwrap();
        }
        assert_eq!(queue.push(event_of(1), 0).unwrap_err(), AppendError::Full);
        let taken: Vec<_> = queue.take(None).batches.iter().map(|batch| batch.payload).collect();
        assert!(taken.into_iter().eq(0..BATCHES_MAX));
        queue.push(event_of(1), 0).unwrap();
    }

    #[test]
    fn takes_no_more_bytes_than_its_bound_until_they_are_taken() {
        let queue = Queue::new();
        queue.push(event_of(BYTES_MAX / 2), ()).unwrap();
        assert_eq!(queue.push(event_of(BYTES_MAX / 2), ()).unwrap_err(), AppendError::Full);
        assert_eq!(queue.take(None).batches.len(), 1);
        queue.push(event_of(BYTES_MAX / 2), ()).unwrap();
    }

    #[test]
    fn a_wake_before_the_wait_is_not_lost() {
        let queue = Queue::<()>::new();
        queue.wake();
        let taken = queue.take(None);
        assert!(taken.batches.is_empty() && !taken.is_closed && !taken.is_timeout);
        assert!(queue.take(Some(Duration::ZERO)).is_timeout);
    }

    #[test]
    fn a_closed_one_gives_what_waits_and_takes_nothing() {
        let queue = Queue::new();
        queue.push(event_of(1), ()).unwrap();
        queue.close();
        assert_eq!(queue.push(event_of(1), ()).unwrap_err(), AppendError::Closed);
        let taken = queue.take(None);
        assert!(taken.batches.len() == 1 && taken.is_closed);
    }
}
