//! The running engine of a service: starts its workers, switches to other workers, stops them.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use timely::communication::WorkerGuards;
use tokio::sync::watch;
use velodrome_dataflows::Rules;

use super::cluster::{ClusterError, start_local};
use super::command::Command;
use super::command_channel::{CommandSender, command_channel};
use super::handle::Engine;
use super::reader_state::{FrozenReaders, ReaderState};
use super::unsaved_changes::UnsavedChanges;
use super::worker::{WorkerContext, run};
use crate::live_state::LiveState;

/// The workers of a service. Dropping it stops them.
pub struct RunningEngine {
    /// The handle for all users of the engine.
    pub engine: Engine,
    /// The changes that the next checkpoint has to save.
    pub unsaved: Arc<UnsavedChanges>,
    reader_state: Arc<ReaderState>,
    workers: Workers,
}

/// Worker threads. Dropping it stops them and waits until they have ended.
struct Workers {
    commands: Arc<[CommandSender]>,
    /// Joins the threads when it is dropped.
    _guards: WorkerGuards<()>,
}

impl RunningEngine {
    /// Starts an engine without events, with `workers` workers in this process.
    ///
    /// # Errors
    /// When timely cannot start the workers.
    pub fn start(workers: usize, rules: Rules) -> Result<Self, ClusterError> {
        let (complete, receiver) = watch::channel(0);
        let live_state = Arc::new(LiveState::default());
        let unsaved = Arc::new(UnsavedChanges::default());
        let reader_state = Arc::new(ReaderState::new(Arc::clone(&live_state), complete));
        let context = WorkerContext {
            rules: rules.clone(),
            reader_state: Arc::clone(&reader_state),
            unsaved: Arc::clone(&unsaved),
        };
        let (sender, started) = mpsc::channel();
        let sender = Mutex::new(sender);
        let guards = start_local(workers, move |worker| {
            let (commands, receiver) = command_channel();
            let sender = sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
            sender.send((worker.index(), commands)).unwrap_or_default();
            run(worker, &receiver, &context);
        })?;
        let mut commands: Vec<_> = started.iter().take(workers).collect();
        commands.sort_by_key(|(index, _)| *index);
        let commands = commands.into_iter().map(|(_, commands)| commands).collect();
        let engine = Engine::new(commands, receiver, live_state).with_rules(rules);
        let workers = Workers { commands: engine.workers(), _guards: guards };
        Ok(Self { engine, unsaved, reader_state, workers })
    }

    /// Freezes the state that readers see, as the first step of a switch to other workers. Until the
    /// switch, reads are answered as of the last time that readers saw, or an earlier time.
    pub fn freeze(&self) -> FrozenReaders {
        self.reader_state.freeze()
    }

    /// Switches to the workers of `next`, and returns the previous ones for the caller to drop.
    ///
    /// `next` must have received the same events, and its complete time must be later than the last time
    /// that `frozen` readers saw. No answer then goes back in time or loses events compared with a
    /// previous one.
    pub fn switch_to(&mut self, frozen: FrozenReaders, next: Self) -> impl Sized + use<> {
        // Switch the handle first: a reader that has been notified of changes must query the new
        // workers.
        self.engine.switch_to(&next.engine);
        let previous = next.reader_state.attach(frozen);
        (self.unsaved, self.reader_state) = (next.unsaved, next.reader_state);
        (mem::replace(&mut self.workers, next.workers), previous)
    }
}

impl Drop for Workers {
    /// Stops the workers. Changes that are not complete at this point are never published.
    fn drop(&mut self) {
        for worker in self.commands.iter() {
            worker.send(Command::Stop);
        }
    }
}
