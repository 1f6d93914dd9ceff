//! A computation on several nodes whose counts are known.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use timely::dataflow::InputHandle;
use timely::dataflow::operators::probe::Handle;
use timely::dataflow::operators::{Exchange, Input, Inspect, Probe};
use timely::worker::Worker;

use super::{PATIENCE, pair, peer};
use crate::mesh::{Fate, Identity, Mesh, MeshConfig, Peer};

/// The records that each worker sends in each round, to all workers.
const RECORDS: u64 = 1_000;

pub(super) fn config(node: usize, workers: usize) -> MeshConfig {
    MeshConfig { node, workers, silence_max: PATIENCE, queue_bytes_max: 1 << 30 }
}

/// The connections of each node to all others.
pub(super) fn connect_all(nodes: usize, identities: Option<&[Identity]>) -> Vec<Vec<Option<Peer>>> {
    let mut links = vec![vec![None; nodes]; nodes];
    let identity = |node: usize| identities.and_then(|identities| identities.get(node));
    let pairs = (0..nodes).flat_map(|other| (0..other).map(move |one| (one, other)));
    for (one, other) in pairs {
        let [accepted, connected] = pair(one, identity(one), identity(other));
        links[one][other] = Some(peer(other, accepted));
        links[other][one] = Some(peer(one, connected));
    }
    links
}

/// A round that is complete at one worker, and the records that all workers had counted then.
pub(super) struct Completed {
    pub(super) round: usize,
    pub(super) counted: usize,
}

/// A generation on several nodes.
pub(super) struct Generation {
    pub(super) meshes: Vec<Mesh>,
    pub(super) fates: Vec<Fate>,
    pub(super) links: Vec<Vec<Option<Peer>>>,
    pub(super) completed: Receiver<Completed>,
    workers: usize,
    rounds: usize,
}

impl Generation {
    pub(super) fn start(
        nodes: usize,
        workers: usize,
        rounds: usize,
        identities: Option<&[Identity]>,
    ) -> Self {
        let links = connect_all(nodes, identities);
        let counts = Arc::new((0..rounds).map(|_| AtomicUsize::new(0)).collect::<Vec<_>>());
        let (sender, completed) = mpsc::channel();
        let fates: Vec<_> = (0..nodes).map(|_| Fate::default()).collect();
        let meshes = fates.iter().enumerate().map(|(node, fate)| {
            let (counts, sender) = (Arc::clone(&counts), sender.clone());
            let work = {
                let fate = fate.clone();
                move |worker: &mut Worker| count(worker, &fate, &counts, &sender)
            };
            Mesh::start(links[node].clone(), config(node, workers), fate.clone(), work).unwrap()
        });
        let meshes = meshes.collect();
        Self { meshes, fates, links, completed, workers: nodes * workers, rounds }
    }

    /// Checks the next completed round, or returns false when no worker runs any more.
    pub(super) fn check_next(&self) -> bool {
        let Ok(Completed { round, counted }) = self.completed.recv_timeout(PATIENCE) else {
            assert!(self.fates.iter().all(Fate::has_ended), "no progress");
            return false;
        };
        assert_eq!(counted, self.workers * RECORDS as usize, "round {round}");
        true
    }

    /// Checks that all workers complete all rounds.
    pub(super) fn check_all(&self) {
        for _ in 0..self.workers * self.rounds {
            assert!(self.check_next());
        }
    }

    /// Ends all nodes.
    pub(super) fn end(self) {
        drop(self.links);
        self.meshes.into_iter().for_each(|mesh| mesh.end("the test is over").unwrap());
        for completed in self.completed {
            assert_eq!(completed.counted, self.workers * RECORDS as usize);
        }
    }
}

/// Sends records in rounds, and reports each round that is complete on all workers.
fn count(
    worker: &mut Worker,
    fate: &Fate,
    counts: &Arc<Vec<AtomicUsize>>,
    completed: &Sender<Completed>,
) {
    let mut input = InputHandle::new();
    let probe = Handle::new();
    let (counting, peers) = (Arc::clone(counts), worker.peers());
    worker.dataflow(|scope| {
        scope
            .input_from(&mut input)
            .container::<Vec<(u64, usize)>>()
            .exchange(|(key, _)| *key)
            .inspect(move |(_, round)| _ = counting[*round].fetch_add(1, Ordering::SeqCst))
            .probe_with(&probe);
    });
    for round in 0..counts.len() {
        for key in 0..RECORDS {
            input.send((key % peers as u64, round));
        }
        input.advance_to(round + 1);
        while probe.less_than(input.time()) {
            if fate.has_ended() {
                return;
            }
            worker.step_or_park(None);
        }
        let counted = counts[round].load(Ordering::SeqCst);
        completed.send(Completed { round, counted }).unwrap_or_default();
    }
    idle(worker, fate);
}

/// Steps until the generation ends.
pub(super) fn idle(worker: &mut Worker, fate: &Fate) {
    while !fate.has_ended() {
        worker.step_or_park(None);
    }
}

/// Waits until `fate` ends, and returns the reason.
#[track_caller]
pub(super) fn reason(fate: &Fate, limit: Duration) -> String {
    fate.wait_timeout(limit).expect("the generation lives").to_owned()
}
