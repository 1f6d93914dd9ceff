//! The timely workers of this process.

use std::panic;
use std::process;
use std::sync::Once;
use std::sync::mpsc;
use std::thread;

use timely::WorkerConfig;
use timely::communication::allocator::ProcessBuilder;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::{AllocatorBuilder, Hooks, WorkerGuards};
use timely::execute::execute_from;
use timely::worker::Worker;
use timely::{CommunicationConfig, Config};

use super::control::Event;
use super::error::ClusterError;
use super::link::Link;
use super::members::Members;

/// Starts `work` on `workers` workers of this process alone.
///
/// # Errors
/// When timely cannot start the workers.
pub(in crate::engine) fn start_local<T: Send + 'static>(
    workers: usize,
    work: impl Fn(&mut Worker) -> T + Send + Sync + 'static,
) -> Result<WorkerGuards<T>, ClusterError> {
    exit_when_a_worker_panics();
    let communication = match workers {
        1 => CommunicationConfig::Thread,
        _ => CommunicationConfig::Process(workers),
    };
    let config = Config { communication, worker: WorkerConfig::default() };
    timely::execute(config, work).map_err(ClusterError::Start)
}

impl Members {
    /// Runs `work` on all workers of this process, over the data links to the others. Returns the results
    /// of this process.
    ///
    /// # Errors
    /// When the workers cannot be started, and when another process is lost or failed. The workers of
    /// this process then remain blocked, and the process must end.
    pub(in crate::engine) fn run<T: Send + 'static>(
        &mut self,
        work: impl Fn(&mut Worker) -> T + Send + Sync + 'static,
    ) -> Result<Vec<Result<T, String>>, ClusterError> {
        let guards = match self.cluster.processes() {
            1 => start_local(self.cluster.workers, work)?,
            _ => self.start(work)?,
        };
        let (sender, ended) = mpsc::channel();
        let events = self.sender.clone();
        thread::spawn(move || {
            // Also waits until the data links are closed.
            sender.send(guards.join()).unwrap_or_default();
            events.send(Event::WorkersEnded).unwrap_or_default();
        });
        self.wait_for_workers()?;
        ended.recv().map_err(|error| ClusterError::Start(error.to_string()))
    }

    fn start<T: Send + 'static>(
        &mut self,
        work: impl Fn(&mut Worker) -> T + Send + Sync + 'static,
    ) -> Result<WorkerGuards<T>, ClusterError> {
        exit_when_a_worker_panics();
        let (process, workers, hooks) =
            (self.cluster.process, self.cluster.workers, Hooks::default());
        let local = ProcessBuilder::new_typed_vector(workers, hooks.refill.clone(), None);
        let links = self.links.drain(..).enumerate();
        let links = links
            .map(|(index, stream)| Some(Link::new(index, stream?, self.sender.clone())))
            .collect();
        let failed = |error: std::io::Error| ClusterError::Start(error.to_string());
        let (builders, guard) =
            initialize_networking_from_sockets(local, links, process, workers, hooks)
                .map_err(failed)?;
        let builders = builders.into_iter().map(AllocatorBuilder::Tcp).collect();
        execute_from(builders, Box::new(guard), WorkerConfig::default(), work)
            .map_err(ClusterError::Start)
    }
}

/// Installs a panic hook that exits with status 2 when one of timely's threads panics.
///
/// Without it the remaining workers would wait for the lost worker forever. The other processes of the
/// cluster notice the exit.
fn exit_when_a_worker_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            previous(panic);
            let current = thread::current();
            if current.name().is_some_and(|name| name.starts_with("timely:")) {
                eprintln!("velodrome: a worker was lost; run the command again");
                process::exit(2);
            }
        }));
    });
}
