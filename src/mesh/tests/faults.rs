//! Failures end the generation with their reason, and nothing else.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use timely::dataflow::InputHandle;
use timely::dataflow::operators::{Exchange, Input};
use timely::worker::Worker;

use super::certificates::Ca;
use super::counting::{config, connect_all, idle, reason};
use super::{PATIENCE, pair, peer};
use crate::mesh::{Fate, Identity, Mesh, MeshConfig, MeshError};

/// Sends records to all workers until the generation ends.
fn flood(worker: &mut Worker, fate: &Fate) {
    let mut input = InputHandle::new();
    worker.dataflow::<u64, _, _>(|scope| {
        scope.input_from(&mut input).container::<Vec<u64>>().exchange(|record| *record);
    });
    while !fate.has_ended() {
        (0..1_000).for_each(|record| input.send(record));
        worker.step();
    }
}

/// Floods a node that reads nothing, and returns why and when the generation ended.
fn flood_silent_node(
    identities: Option<&[Identity]>,
    limits: impl FnOnce(MeshConfig) -> MeshConfig,
) -> (String, Duration) {
    let mut links = connect_all(2, identities);
    let (_silent, links) = (links.pop(), links.pop().unwrap());
    let (notify, notified) = mpsc::channel();
    let fate = Fate::new(move |reason| notify.send(reason.to_owned()).unwrap());
    let flooding = fate.clone();
    let start = Instant::now();
    let mesh = Mesh::start(links, limits(config(0, 2)), fate, move |worker| {
        flood(worker, &flooding);
    });
    let reason = notified.recv_timeout(PATIENCE).unwrap();
    let taken = start.elapsed();
    mesh.unwrap().end("the test is over").unwrap();
    (reason, taken)
}

#[test]
fn a_node_that_reads_nothing_ends_the_generation_after_the_silence_limit() {
    let ca = Ca::new();
    let identities = ca.identities(2);
    let silence_max = Duration::from_millis(500);
    for identities in [None, Some(&identities[..])] {
        let limits = |config| MeshConfig { silence_max, ..config };
        let (reason, taken) = flood_silent_node(identities, limits);
        // It also sends nothing, and the system can give the connection up first.
        assert!(reason.starts_with("node 1 is lost: "), "{reason}");
        assert!(taken >= silence_max && taken < silence_max * 20, "{taken:?}");
    }
}

#[test]
fn too_many_bytes_for_a_node_end_the_generation() {
    let (reason, _) = flood_silent_node(None, |config| MeshConfig {
        queue_bytes_max: Some(10_000_000),
        ..config
    });
    let bytes = reason.strip_prefix("node 1 is lost: it reads too slowly: ").unwrap();
    let bytes: usize = bytes.split(' ').next().unwrap().parse().unwrap();
    assert!((10_000_000..12_000_000).contains(&bytes), "{reason}");
}

#[test]
fn too_many_bytes_for_a_worker_end_the_generation() {
    let mut links = connect_all(2, None);
    let fates = [Fate::default(), Fate::default()];
    let limits = MeshConfig { queue_bytes_max: Some(10_000_000), ..config(1, 1) };
    let stuck = fates[1].clone();
    let slow = Mesh::start(links.pop().unwrap(), limits, fates[1].clone(), move |_| {
        // A worker that does not step.
        while !stuck.has_ended() {
            thread::park();
        }
    });
    let flooding = fates[0].clone();
    let fast = Mesh::start(links.pop().unwrap(), config(0, 1), fates[0].clone(), move |worker| {
        flood(worker, &flooding);
    });
    let reason = reason(&fates[1], PATIENCE);
    assert!(reason.starts_with("a worker of this node is too slow"), "{reason}");
    slow.unwrap().end("the test is over").unwrap();
    assert!(super::counting::reason(&fates[0], PATIENCE).starts_with("node 1 is lost"));
    fast.unwrap().end("the test is over").unwrap();
}

#[test]
fn a_worker_that_panics_ends_the_generation_on_all_nodes() {
    let links = connect_all(3, None);
    let fates: Vec<_> = (0..3).map(|_| Fate::default()).collect();
    let meshes = links.into_iter().enumerate().map(|(node, links)| {
        let fate = fates[node].clone();
        let work = move |worker: &mut Worker| {
            let mut input = InputHandle::new();
            worker.dataflow::<u64, _, _>(|scope| {
                scope.input_from(&mut input).container::<Vec<u64>>().exchange(|record| *record);
            });
            // Records that the input has not sent yet, and sends while the worker unwinds.
            (0..100).for_each(|record| input.send(record));
            assert!(worker.index() != 3, "as planned");
            idle(worker, &fate);
        };
        Mesh::start(links, config(node, 2), fates[node].clone(), work).unwrap()
    });
    let meshes: Vec<_> = meshes.collect();
    assert_eq!(reason(&fates[1], PATIENCE), "a worker panicked: as planned");
    let mut meshes = meshes.into_iter();
    let others = [meshes.next().unwrap(), meshes.nth(1).unwrap()];
    drop(meshes);
    for (fate, mesh) in [&fates[0], &fates[2]].into_iter().zip(others) {
        let reason = reason(fate, PATIENCE);
        assert!(reason.contains("is lost"), "{reason}");
        mesh.end("the test is over").unwrap();
    }
}

#[test]
fn a_worker_that_returns_ends_the_generation() {
    let mut links = connect_all(2, None);
    let fates = [Fate::default(), Fate::default()];
    let two = Mesh::start(links.pop().unwrap(), config(1, 1), fates[1].clone(), |_| {}).unwrap();
    let idling = fates[0].clone();
    let work = move |worker: &mut Worker| idle(worker, &idling);
    let one = Mesh::start(links.pop().unwrap(), config(0, 1), fates[0].clone(), work).unwrap();
    assert_eq!(reason(&fates[1], PATIENCE), "a worker returned");
    two.end("the test is over").unwrap();
    assert!(reason(&fates[0], PATIENCE).starts_with("node 1 is lost: "));
    one.end("the test is over").unwrap();
}

#[test]
fn a_worker_that_does_not_return_is_reported() {
    let released = Arc::new(AtomicBool::new(false));
    let waiting = Arc::clone(&released);
    let work = move |_: &mut Worker| {
        while !waiting.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    };
    let mut mesh = Mesh::start(vec![None], config(0, 1), Fate::default(), work).unwrap();
    let stuck = mesh.end_within("the test is over", Duration::from_millis(50)).unwrap_err();
    assert!(stuck.to_string().contains("the process must be restarted"), "{stuck}");
    released.store(true, Ordering::SeqCst);
}

#[test]
fn a_peer_that_sends_garbage_after_its_end_is_harmless() {
    let [ours, theirs] = pair(1, None, None);
    let fate = Fate::default();
    let idling = fate.clone();
    let work = move |worker: &mut Worker| idle(worker, &idling);
    let mesh =
        Mesh::start(vec![None, Some(peer(1, ours))], config(0, 1), fate.clone(), work).unwrap();
    // The last header, and more.
    (&theirs).write_all(&[&[0, 0, 0, 100], &[0; 100][..]].concat()).unwrap();
    assert_eq!(reason(&fate, PATIENCE), "node 1 is lost: its workers have stopped");
    mesh.end("the test is over").unwrap();
}

#[test]
fn links_must_match_the_node() {
    let [one, _other] = pair(1, None, None);
    for links in [vec![], vec![None, None], vec![Some(peer(1, one)), None]] {
        let fate = Fate::default();
        let started = Mesh::start(links, config(0, 1), fate.clone(), |_| {});
        assert!(matches!(started, Err(MeshError::Links(0))));
        assert!(fate.has_ended());
    }
}

#[test]
fn the_first_reason_wins_and_is_reported_once() {
    let (notify, notified) = mpsc::channel();
    let fate = Fate::new(move |reason| notify.send(reason.to_owned()).unwrap());
    assert_eq!(fate.wait_timeout(Duration::from_millis(1)), None);
    fate.end("first");
    fate.end("second");
    assert_eq!(fate.reason(), Some("first"));
    assert_eq!(fate.wait_timeout(PATIENCE), Some("first"));
    assert_eq!(notified.into_iter().collect::<Vec<_>>(), ["first"]);
    // Returns at once.
    fate.register_current_thread();
    thread::park();
}
