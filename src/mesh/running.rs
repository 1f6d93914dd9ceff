//! The workers of one generation: how they start and end.

use std::any::Any;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use timely::WorkerConfig;
use timely::communication::allocator::ProcessBuilder;
use timely::communication::allocator::zero_copy::initialize::{
    CommsGuard, initialize_networking_from_sockets,
};
use timely::communication::{AllocatorBuilder, Hooks, WorkerGuards};
use timely::execute::execute_from;
use timely::worker::Worker;

use super::connection::Connection;
use super::error::{MeshError, Stuck};
use super::fate::Fate;
use super::link::Link;
use super::peer::Peer;
use super::queue_limit::queue_limit;

/// How long the workers have to return after the end of their generation.
const END_TIME_MAX: Duration = Duration::from_secs(10);

/// The place of a node in a mesh, and the limits that end a generation.
#[derive(Clone, Copy, Debug)]
pub struct MeshConfig {
    /// The index of this node.
    pub node: usize,
    /// The workers of each node. All nodes must have the same number.
    pub workers: usize,
    /// How long a peer may send nothing, or accept no bytes while there are some for it.
    pub silence_max: Duration,
    /// The maximum of bytes that wait between one worker and one peer, in each direction. A network
    /// thread that is blocked has up to as many again. `None` if a slow peer must not end the generation.
    pub queue_bytes_max: Option<usize>,
}

/// The running workers of this node, connected to those of the other nodes.
///
/// Dropping a mesh ends it as [`end`](Self::end) does.
pub struct Mesh {
    fate: Fate,
    connections: Vec<Connection>,
    threads: Option<Threads>,
}

/// The threads that timely has started.
struct Threads {
    workers: WorkerGuards<()>,
    /// `None` if there are no other nodes.
    network: Option<CommsGuard>,
}

impl Mesh {
    /// Starts `work` on the workers of this node. `peers` has each other node at its index, and `None` for
    /// this node.
    ///
    /// `work` runs on each worker until soon after `fate` ends, for which it must check
    /// [`Fate::has_ended`] before each [`Worker::step_or_park`]. The end unparks it. If `work` returns or
    /// panics earlier, that ends `fate`. So does a lost node.
    ///
    /// # Errors
    /// `peers` does not match `config`, or the system refuses a thread or a socket option. `fate` has
    /// then ended.
    pub fn start(
        peers: Vec<Option<Peer>>,
        config: MeshConfig,
        fate: Fate,
        work: impl Fn(&mut Worker) + Send + Sync + 'static,
    ) -> Result<Self, MeshError> {
        let connections = peers.iter().flatten().map(|peer| peer.connection.clone()).collect();
        let mut mesh = Self { fate: fate.clone(), connections, threads: None };
        mesh.threads = match start(peers, config, fate, work) {
            Ok(threads) => Some(threads),
            Err(error) => {
                mesh.cut(&error.to_string());
                mesh.fate.release();
                return Err(error);
            }
        };
        Ok(mesh)
    }

    /// Ends the generation for `reason`, unless it has ended, and waits until all its threads have ended
    /// and its connections are closed. The other nodes lose this one.
    ///
    /// # Errors
    /// A worker did not return within 10 s. The process must then exit.
    pub fn end(mut self, reason: &str) -> Result<(), Stuck> {
        self.end_within(reason, END_TIME_MAX)
    }

    /// Ends the generation as [`end`](Self::end) does, and waits for at most `limit`. What has not ended by
    /// then ends later.
    ///
    /// # Errors
    /// A worker did not return in time.
    pub fn end_within(&mut self, reason: &str, limit: Duration) -> Result<(), Stuck> {
        let Some(Threads { workers, network }) = self.threads.take() else { return Ok(()) };
        self.cut(reason);
        let (fate, (sender, ended)) = (self.fate.clone(), mpsc::channel());
        // On a thread of its own, because timely's threads cannot be joined with a time limit.
        let join = thread::spawn(move || {
            drop(workers.join());
            fate.release();
            // Fails if one of timely's network threads has panicked, which must not end this process.
            _ = catch_unwind(AssertUnwindSafe(|| drop(network)));
            sender.send(()).unwrap_or_default();
        });
        let stuck = Stuck { seconds: limit.as_secs() };
        ended.recv_timeout(limit).map_err(|_| stuck)?;
        join.join().unwrap_or_default();
        Ok(())
    }

    /// Ends the fate, and frees the network threads that wait for a peer.
    fn cut(&self, reason: &str) {
        self.fate.end(reason);
        self.connections.iter().for_each(Connection::shutdown);
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        // A worker that is stuck has nobody here to report it to.
        self.end_within("its mesh was dropped", END_TIME_MAX).unwrap_or_default();
    }
}

fn start(
    peers: Vec<Option<Peer>>,
    config: MeshConfig,
    fate: Fate,
    work: impl Fn(&mut Worker) + Send + Sync + 'static,
) -> Result<Threads, MeshError> {
    let MeshConfig { node, workers, silence_max, queue_bytes_max } = config;
    let is_own = |(index, peer): (usize, &Option<Peer>)| peer.is_none() == (index == node);
    if node >= peers.len() || !peers.iter().enumerate().all(is_own) {
        return Err(MeshError::Links(node));
    }
    let failed = |error: io::Error| MeshError::Start(error.to_string());
    let name = |peer: &Option<Peer>| peer.as_ref().map(|peer| peer.name.clone());
    let names: Vec<_> = peers.iter().map(|peer| name(peer).unwrap_or_default()).collect();
    let link = |peer: Option<Peer>| {
        peer.map(|peer| Link::new(peer, fate.clone(), silence_max)).transpose()
    };
    let links = peers.into_iter().map(link).collect::<Result<Vec<_>, _>>().map_err(failed)?;

    let spill = queue_bytes_max.map(|bytes_max| queue_limit(&fate, bytes_max, names));
    let hooks = Hooks { spill, ..Hooks::default() };
    let local = ProcessBuilder::new_typed_vector(workers, hooks.refill.clone(), None);
    let (builders, network) = if links.len() == 1 {
        (local.into_iter().map(AllocatorBuilder::Process).collect(), None)
    } else {
        let (builders, network) =
            initialize_networking_from_sockets(local, links, node, workers, hooks)
                .map_err(failed)?;
        (builders.into_iter().map(AllocatorBuilder::Tcp).collect(), Some(network))
    };
    // The network's guard stays here, because it panics when it is dropped after a network thread panicked.
    let run = move |worker: &mut Worker| run(worker, &fate, &work);
    match execute_from(builders, Box::new(()), WorkerConfig::default(), run) {
        Ok(workers) => Ok(Threads { workers, network }),
        Err(error) => {
            // Dropping the guard would wait for threads that end only after the caller has released them.
            mem::forget(network);
            Err(MeshError::Start(error))
        }
    }
}

/// Runs one worker. A panic ends the generation, and nothing else.
fn run(worker: &mut Worker, fate: &Fate, work: &impl Fn(&mut Worker)) {
    fate.register_current_thread();
    let result = catch_unwind(AssertUnwindSafe(|| work(worker)));
    fate.end(match &result {
        Ok(()) => "a worker returned".to_owned(),
        Err(panic) => format!("a worker panicked: {}", message(&**panic)),
    });
    // `work` has closed its inputs. If the worker stepped again, as timely does after this function
    // while there are dataflows, the other nodes would take what was read so far for complete.
    for dataflow in worker.installed_dataflows() {
        _ = catch_unwind(AssertUnwindSafe(|| worker.drop_dataflow(dataflow)));
    }
}

/// The message of a panic.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
