//! The handle of a running log.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::admission::Appended;
use super::error::{AppendError, LogHealth};
use super::log_lines::LogLines;
use super::queue::Queue;

/// A handle to a running log, whose batches each have a payload `P`. Clones refer to the same log.
///
/// When the last handle is dropped, the log commits its queue and ends.
pub struct Log<P>(Arc<Shared<P>>);

struct Shared<P> {
    queue: Arc<Queue<P>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl<P: Send> Log<P> {
    pub(super) fn new(queue: Arc<Queue<P>>, threads: Vec<JoinHandle<()>>) -> Self {
        Self(Arc::new(Shared { queue, threads: Mutex::new(threads) }))
    }

    /// Queues a batch. The returned receiver gets the batch's last arrival, and the lines that the log
    /// rejected, when the batch is durable and delivered.
    ///
    /// Batches become durable in the order of their queueing, each atomically. The queue has at most
    /// 4,096 batches and 64 MiB of lines, so a larger batch is never accepted.
    ///
    /// # Errors
    /// Returns [`AppendError::QueueFull`], [`AppendError::MemoryFull`], [`AppendError::Poisoned`] or
    /// [`AppendError::Closed`] immediately. The receiver gets [`AppendError::Unavailable`] or
    /// [`AppendError::Poisoned`] when
    /// writing fails, and nothing when the writer panics.
    pub fn append(
        &self,
        lines: LogLines,
        payload: P,
    ) -> Result<oneshot::Receiver<Result<Appended, AppendError>>, AppendError> {
        self.0.queue.push(lines, payload)
    }

    /// Sets whether the log refuses batches, because the process has too much memory.
    pub fn set_refusing(&self, is_refusing: bool) {
        self.0.queue.set_refusing(is_refusing);
    }

    /// Whether the log refuses batches, because the process has too much memory.
    pub fn is_refusing(&self) -> bool {
        self.0.queue.is_refusing()
    }

    /// Delivers an advance to the present soon, although the log may be idle.
    pub fn advance(&self) {
        self.0.queue.advance();
    }

    /// The health of the log.
    pub fn health(&self) -> LogHealth {
        self.0.queue.health()
    }

    /// Closes the log for all handles: commits the queue, delivers a last advance and joins the threads.
    /// Segments that are not sealed yet are sealed after the next start.
    ///
    /// Blocks until the writer ends, so a `deliver` callback must not call it.
    pub fn close(self) {
        self.0.queue.close();
        let mut threads = self.0.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // A panic is already logged and has poisoned the log, so ignore it here.
            _ = thread.join();
        }
    }
}

impl<P> Clone for Log<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P> Drop for Shared<P> {
    fn drop(&mut self) {
        self.queue.close();
    }
}
