//! The running engine of a service: starts its workers, switches to other workers, stops them.

use std::mem;
use std::process;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use timely::communication::WorkerGuards;
use timely::worker::Worker;
use tokio::sync::watch;
use velodrome_dataflows::Rules;

use super::cluster::{ClusterError, start_local};
use super::command::Command;
use super::command_channel::{CommandSender, command_channel};
use super::handle::Engine;
use super::place::Place;
use super::reader_state::{FrozenReaders, ReaderState};
use super::unsaved_changes::UnsavedChanges;
use super::worker::{WorkerContext, run};
use crate::live_state::LiveState;
use crate::mesh::{Fate, Mesh, MeshConfig, Peer};

/// How long another node may send nothing, not even a sign of life, or accept no bytes. A node that is lost is silent
/// towards the coordinator too, which reports it a second earlier. So this names nodes whose network fails.
const SILENCE_MAX: Duration = Duration::from_secs(6);

/// The bytes that may wait between one worker and one other node, in each direction. A generation that restores large
/// checkpoints has the most.
const QUEUE_BYTES_MAX: usize = 1 << 30;

/// The workers of a service in this process. Dropping it stops them.
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
    threads: Option<Threads>,
}

/// What joins the worker threads.
enum Threads {
    /// All workers are in this process. Dropping the guards joins them.
    Local(#[expect(dead_code, reason = "it is dropped")] WorkerGuards<()>),
    /// The workers of all nodes of a cluster.
    Mesh(Mesh),
}

/// What a worker runs.
type Work = Box<dyn Fn(&mut Worker) + Send + Sync>;

impl RunningEngine {
    /// Starts an engine without events, with `workers` workers in this process.
    ///
    /// # Errors
    /// When timely cannot start the workers.
    pub fn start(workers: usize, rules: Rules) -> Result<Self, ClusterError> {
        let start = |work| start_local(workers, work).map(Threads::Local);
        Self::start_on(Place::alone(workers), rules, start)
    }

    /// Starts this process's workers of an engine without events that runs on all nodes of a cluster, at
    /// `place`, connected to its `peers`. When `fate` ends, the engine must be dropped.
    ///
    /// # Errors
    /// When timely cannot start the workers.
    pub fn start_on_mesh(
        place: Place,
        peers: Vec<Option<Peer>>,
        fate: Fate,
        rules: Rules,
    ) -> Result<Self, ClusterError> {
        Self::start_on(place, rules, |work| {
            let config = MeshConfig {
                node: place.process,
                workers: place.workers,
                silence_max: SILENCE_MAX,
                queue_bytes_max: Some(QUEUE_BYTES_MAX),
            };
            let mesh = Mesh::start(peers, config, fate, work);
            mesh.map(Threads::Mesh).map_err(|error| ClusterError::Start(error.to_string()))
        })
    }

    fn start_on(
        place: Place,
        rules: Rules,
        start: impl FnOnce(Work) -> Result<Threads, ClusterError>,
    ) -> Result<Self, ClusterError> {
        let mut running = Self::idle(rules.clone());
        let context = WorkerContext {
            rules,
            reader_state: Arc::clone(&running.reader_state),
            unsaved: Arc::clone(&running.unsaved),
            place,
        };
        let (sender, started) = mpsc::channel();
        let sender = Mutex::new(sender);
        let work = move |worker: &mut Worker| {
            let (commands, receiver) = command_channel();
            let sender = sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
            sender.send((worker.index(), commands)).unwrap_or_default();
            run(worker, &receiver, &context);
        };
        let threads = start(Box::new(work))?;
        let mut commands: Vec<_> = started.iter().take(place.workers).collect();
        commands.sort_by_key(|(index, _)| *index);
        let commands = commands.into_iter().map(|(_, commands)| commands).collect();
        running.engine.set_workers(commands);
        running.workers = Workers { commands: running.engine.workers(), threads: Some(threads) };
        Ok(running)
    }

    /// An engine without workers, until the first generation of a cluster runs.
    pub fn idle(rules: Rules) -> Self {
        let (complete, receiver) = watch::channel(0);
        let live_state = Arc::new(LiveState::default());
        let reader_state = Arc::new(ReaderState::new(Arc::clone(&live_state), complete));
        let engine = Engine::new(Vec::new(), receiver, live_state).with_rules(rules);
        let workers = Workers { commands: engine.workers(), threads: None };
        Self { engine, unsaved: Arc::default(), reader_state, workers }
    }
    /// Freezes the state that readers see, as the first step of a switch to other workers. Until the
    /// switch, reads are answered as of the last time that readers saw, or an earlier time.
    pub fn freeze(&self) -> FrozenReaders {
        self.reader_state.freeze()
    }

    /// Detaches the workers, for the caller to drop, and freezes the state that readers see until
    /// [`switch_to`](Self::switch_to).
    pub fn retire(&mut self) -> (FrozenReaders, impl Sized + use<>) {
        let frozen = self.freeze();
        self.engine.set_workers(Vec::new());
        let workers = Workers { commands: self.engine.workers(), threads: None };
        (frozen, mem::replace(&mut self.workers, workers))
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
        if let Some(Threads::Mesh(mesh)) = self.threads.take()
            && let Err(stuck) = mesh.end("the engine stopped")
        {
            // A new generation would find the old one in its way. Who supervises the process starts it again.
            tracing::error!("{stuck}");
            process::exit(2);
        }
    }
}
