//! The timely workers of this process.

use std::mem;
use std::panic;
use std::process;
use std::sync::Once;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use timely::WorkerConfig;
use timely::communication::WorkerGuards;
use timely::worker::Worker;
use timely::{CommunicationConfig, Config};

use super::control::{Event, HEARTBEATS};
use super::error::ClusterError;
use super::hosts::Cluster;
use super::members::Members;
use crate::mesh::{Fate, Mesh, MeshConfig, Peer};

/// How long the workers have to return at the end of a run.
const END_TIME_MAX: Duration = Duration::from_secs(1);

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
    /// Runs `work` on all workers of this process, connected to those of the others. Returns the results of
    /// this process, once the workers of all processes have theirs. `work` must check whether its fate has
    /// ended before it parks, and may then return anything.
    ///
    /// # Errors
    /// When the workers cannot be started, and when another process is lost or failed.
    pub(in crate::engine) fn run<T: Send + 'static>(
        &mut self,
        work: impl Fn(&mut Worker, &Fate) -> T + Send + Sync + 'static,
    ) -> Result<Vec<Result<T, String>>, ClusterError> {
        if self.cluster.processes() == 1 {
            let alone = Fate::default();
            let guards = start_local(self.cluster.workers, move |worker| work(worker, &alone))?;
            return Ok(guards.join());
        }
        let events = self.sender.clone();
        let fate = Fate::new(move |reason| {
            events.send(Event::MeshEnded(reason.to_owned())).unwrap_or_default();
        });
        let (events, (sender, results)) = (self.sender.clone(), mpsc::channel());
        let living = fate.clone();
        let started = Mesh::start(self.take_peers(), self.mesh_config(), fate, move |worker| {
            let result = work(worker, &living);
            if living.has_ended() {
                return;
            }
            sender.send(Ok(result)).unwrap_or_default();
            events.send(Event::WorkerFinished).unwrap_or_default();
            // The workers of other processes may still need this one.
            while !living.has_ended() {
                worker.step_or_park(None);
            }
        });
        let mut mesh = started.map_err(|error| ClusterError::Start(error.to_string()))?;
        let outcome = self.wait_for_results();
        // After a failure a worker may wait for its input. It then ends with this process.
        mesh.end_within("the run has ended", END_TIME_MAX).unwrap_or_default();
        outcome.map(|()| results.try_iter().collect())
    }

    fn mesh_config(&self) -> MeshConfig {
        let Cluster { process, workers, .. } = self.cluster;
        let silence_max = HEARTBEATS.silence_max;
        // A process may be much slower than the others, and then what waits for it needs much memory.
        MeshConfig { node: process, workers, silence_max, queue_bytes_max: None }
    }

    /// The data links with the names of their processes.
    fn take_peers(&mut self) -> Vec<Option<Peer>> {
        let links = mem::take(&mut self.links).into_iter().enumerate();
        let name = |process| self.cluster.name(process);
        links.map(|(process, link)| Some(Peer { name: name(process), connection: link? })).collect()
    }
}

/// Installs a panic hook that exits with status 2 when one of timely's threads panics.
///
/// Without it the remaining workers would wait for the lost worker forever.
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
