//! The bounded command queue of a worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::{self, Thread};

use super::command::Command;
use super::error::EngineError;

/// Capacity of a worker's command queue. When it is full, event senders block, and queries fail with
/// [`EngineError::Busy`].
pub const COMMANDS_MAX: usize = 1024;

/// The sending end of a worker's command queue. It wakes the worker after each command.
#[derive(Clone, Debug)]
pub struct CommandSender {
    commands: SyncSender<Command>,
    worker: Thread,
    queued: Arc<AtomicUsize>,
}

/// The receiving end of a worker's command queue.
#[derive(Debug)]
pub struct CommandReceiver {
    commands: Receiver<Command>,
    queued: Arc<AtomicUsize>,
}

/// A command queue for the worker that runs on the calling thread.
pub fn command_channel() -> (CommandSender, CommandReceiver) {
    let (commands, receiver) = sync_channel(COMMANDS_MAX);
    let queued = Arc::new(AtomicUsize::new(0));
    let sender = CommandSender { commands, worker: thread::current(), queued: Arc::clone(&queued) };
    (sender, CommandReceiver { commands: receiver, queued })
}

impl CommandReceiver {
    /// Takes the next command from the queue.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] when the queue is empty, [`TryRecvError::Disconnected`] when it is empty
    /// and all senders are dropped.
    pub fn try_recv(&self) -> Result<Command, TryRecvError> {
        let command = self.commands.try_recv()?;
        self.queued.fetch_sub(1, Ordering::Relaxed);
        Ok(command)
    }
}

impl CommandSender {
    /// Sends a command. Blocks while the queue is full. Drops the command when the worker has ended.
    pub fn send(&self, command: Command) {
        self.queued.fetch_add(1, Ordering::Relaxed);
        if let Err(TrySendError::Full(command)) = self.commands.try_send(command) {
            // A parked worker does not drain its queue, so wake it before this call blocks.
            self.worker.unpark();
            self.commands.send(command).unwrap_or_default();
        }
        self.worker.unpark();
    }

    /// Sends a command without blocking.
    ///
    /// # Errors
    /// [`EngineError::Busy`] when the queue is full, [`EngineError::Stopped`] when the worker has ended.
    pub(super) fn try_send(&self, command: Command) -> Result<(), EngineError> {
        self.queued.fetch_add(1, Ordering::Relaxed);
        let sent = self.commands.try_send(command);
        self.worker.unpark();
        sent.map_err(|error| {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => EngineError::Busy,
                TrySendError::Disconnected(_) => EngineError::Stopped,
            }
        })
    }

    /// The number of commands in the queue.
    pub(super) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use velodrome_dataflows::Query;

    use super::super::test_support::engine_of;
    use super::*;

    #[test]
    fn the_commands_in_all_queues_are_counted() {
        let (engine, commands) = engine_of(2);
        engine.advance(10);
        engine.advance(20);
        assert_eq!(engine.queued_commands(), 4);
        commands[0].try_recv().unwrap();
        assert_eq!(engine.queued_commands(), 3);
        let workers = engine.workers();
        let query = || Command::Query(Query::Classes, oneshot::channel().0);
        while workers[0].try_send(query()).is_ok() {}
        assert_eq!(workers[0].try_send(query()), Err(EngineError::Busy));
        assert_eq!(engine.queued_commands(), COMMANDS_MAX + 2, "refused ones do not count");
    }
}
