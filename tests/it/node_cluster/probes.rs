//! Clients that check that every node that runs acknowledges events.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::NodeCluster;
use super::events::post_within;

/// The pause between two events at a node.
const INTERVAL: Duration = Duration::from_millis(20);

/// The longest time to an acknowledgement while a node runs.
const TIME_MAX: Duration = Duration::from_secs(5);

/// A client for each node.
pub(super) struct Probes {
    clients: Vec<JoinHandle<Vec<String>>>,
    /// The number of starts and ends of faults of each node: an odd number means that it is down.
    faults: Arc<Vec<AtomicU64>>,
    is_stopped: Arc<AtomicBool>,
}

impl Probes {
    pub(super) fn start(cluster: &NodeCluster) -> Self {
        let nodes = 0..cluster.options.nodes;
        let faults: Arc<Vec<_>> = Arc::new(nodes.clone().map(|_| AtomicU64::new(0)).collect());
        let is_stopped = Arc::new(AtomicBool::new(false));
        let client = |node: usize| {
            let (url, faults) = (cluster.url(node), Arc::clone(&faults));
            let is_stopped = Arc::clone(&is_stopped);
            thread::spawn(move || probe(node, &url, &faults[node], &is_stopped))
        };
        let clients = nodes.map(client).collect();
        Self { clients, faults, is_stopped }
    }

    /// Runs `act`, during which nodes are down.
    pub(super) fn while_down(&self, nodes: &[usize], act: impl FnOnce()) {
        let count = || {
            for node in nodes {
                self.faults[*node].fetch_add(1, Ordering::SeqCst);
            }
        };
        count();
        act();
        count();
    }

    /// Stops the clients. Returns their events, which are all acknowledged.
    pub(super) fn stop(self) -> Vec<String> {
        self.is_stopped.store(true, Ordering::SeqCst);
        self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    }
}

/// Sends events to a node, each until it is acknowledged. Returns the events.
fn probe(node: usize, url: &str, faults: &AtomicU64, is_stopped: &AtomicBool) -> Vec<String> {
    let (mut events, mut slowest) = (Vec::new(), Duration::ZERO);
    while !is_stopped.load(Ordering::SeqCst) {
        let event = format!(
            r#"{{"event":"view","uuid":"probe-{node}-{}","projectId":"probe-{node}","durationMs":1,"deviceTimestamp":1620240001114}}"#,
            events.len()
        );
        loop {
            let (before, began) = (faults.load(Ordering::SeqCst), Instant::now());
            let answer = post_within(url, &event, TIME_MAX);
            let is_up = before.is_multiple_of(2) && faults.load(Ordering::SeqCst) == before;
            if is_up {
                slowest = slowest.max(began.elapsed());
            }
            match answer {
                Ok((200, _)) => break,
                answer => assert!(!is_up, "node {node} refused {event}: {answer:?}"),
            }
            thread::sleep(INTERVAL);
        }
        events.push(event);
        thread::sleep(INTERVAL);
    }
    eprintln!("node {node}: {} events, the slowest acknowledged in {slowest:?}", events.len());
    events
}
