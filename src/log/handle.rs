//! The handle of a running log.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::error::{AppendError, Health};
use super::lines::Lines;
use super::queue::Queue;

/// A running log, whose batches come with a `P` each. Clones are handles of the same log; with the
/// last one the log ends by itself, some time after what is queued was committed.
pub struct Log<P>(Arc<Shared<P>>);

struct Shared<P> {
    queue: Arc<Queue<P>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl<P: Send> Log<P> {
    pub(super) fn new(queue: Arc<Queue<P>>, threads: Vec<JoinHandle<()>>) -> Self {
        Self(Arc::new(Shared { queue, threads: Mutex::new(threads) }))
    }

    /// Queues a batch, which is answered with its arrival once it is durable and was delivered.
    /// Batches become durable in the order of their queueing, and a batch as a whole or not at all.
    /// At most 4,096 of them and 64 MiB of lines wait; a single batch of more is never taken.
    ///
    /// # Errors
    /// [`AppendError::Full`], [`AppendError::Poisoned`] and [`AppendError::Closed`] at once. The
    /// answer is [`AppendError::DiskFull`] or [`AppendError::Poisoned`] where writing failed; where
    /// there is none at all, the writer died with the batch.
    pub fn append(
        &self,
        lines: Lines,
        payload: P,
    ) -> Result<oneshot::Receiver<Result<u64, AppendError>>, AppendError> {
        self.0.queue.push(lines, payload)
    }

    /// How the log is.
    pub fn health(&self) -> Health {
        self.0.queue.health()
    }

    /// Takes no more batches from any handle, commits what is queued, delivers a last advance, and
    /// waits until the threads are done. Segments that wait to be sealed do so until the next start.
    ///
    /// Blocks; never call it while delivering.
    pub fn close(self) {
        self.0.queue.close();
        let mut threads = self.0.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // A thread that panicked has poisoned the log and told of it.
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
