//! Clusters of nodes in one process, without an engine.

mod changes;
mod forming;
mod refusals;
mod shards;
pub(crate) mod status;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use velodrome_dataflows::{Ban, EventTime, RacerId};

use super::*;
use crate::health::Health;
use crate::kinesis::ShardReport;
use crate::mesh::{Fate, Peer};

/// How long a test waits for what must happen soon.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a node did.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Done {
    /// A generation answers reads.
    Lives(u64),
    /// It has ended.
    Ended(u64),
    Persisted(Ban),
    Shards(ShardReport),
    Applied,
}

/// A node that takes part in generations without work.
struct IdleNode {
    plans: Arc<Mutex<Vec<Plan>>>,
    stream: Option<String>,
    ready: Mutex<Ready>,
    done: Mutex<Sender<(NodeId, Done)>>,
    id: NodeId,
}

impl IdleNode {
    fn record(&self, done: Done) {
        self.done.lock().unwrap().send((self.id, done)).unwrap_or_default();
    }
}

impl Generations for IdleNode {
    fn stream(&self) -> Option<&str> {
        self.stream.as_deref()
    }

    fn ready(&self) -> Ready {
        self.ready.lock().unwrap().clone()
    }

    fn report(&self) -> Report {
        let clock_ms = Clock::system().now();
        // All of its log is archived.
        let archived = self.ready().logs.get(&self.id).copied().unwrap_or_default();
        Report { clock_ms, lag_ms: 0, checkpoint: None, shards: Vec::new(), archived }
    }

    fn run(
        &self,
        plan: &Plan,
        peers: Vec<Option<Peer>>,
        fate: &Fate,
        caught_up: &dyn Fn() -> bool,
    ) {
        assert_eq!(peers.iter().flatten().count(), peers.len() - 1);
        self.plans.lock().unwrap().push(plan.clone());
        if caught_up() {
            self.record(Done::Lives(plan.generation));
            while fate.wait_timeout(TIMEOUT).is_none() {}
            self.record(Done::Ended(plan.generation));
        }
    }

    fn advance(&self) {}

    fn shards(&self, report: &ShardReport) {
        self.record(Done::Shards(report.clone()));
    }

    fn persist(&self, ban: Ban) -> Result<(), String> {
        self.record(Done::Persisted(ban));
        Ok(())
    }

    fn persist_all(&self, racers: &[RacerId]) -> Result<(), String> {
        self.ready.lock().unwrap().bans = racers.to_vec();
        Ok(())
    }

    fn apply(&self) -> Result<EventTime, String> {
        self.record(Done::Applied);
        Ok(7)
    }
}

/// What a new node is ready with.
pub(super) fn new_node() -> Ready {
    let clock_ms = Some(Clock::system().now());
    Ready {
        generation: 0,
        complete: None,
        shown: 0,
        clock_ms,
        bans: Vec::new(),
        rules: "rules".to_owned(),
        rules_since: 0,
        source: None,
        logs: Sequences::new(),
        archived: Sequences::new(),
        accept_damage: false,
    }
}

/// The nodes of a cluster on loopback, without certificates.
struct TestCluster {
    root: tempfile::TempDir,
    config: ClusterConfig,
    nodes: Vec<Option<(RunningNode, Health)>>,
    /// The stream of the nodes that start next.
    stream: Option<String>,
    announcements: Vec<Announcements>,
    /// The plans of all generations, once for each node.
    plans: Arc<Mutex<Vec<Plan>>>,
    sender: Sender<(NodeId, Done)>,
    done: Receiver<(NodeId, Done)>,
}

impl TestCluster {
    fn new(nodes: usize) -> Self {
        let listeners: Vec<_> =
            (0..nodes).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let node = |(id, listener): (NodeId, &TcpListener)| {
            let address: SocketAddr = listener.local_addr().unwrap();
            let (url, addresses) = (format!("http://{id}"), vec![address]);
            Node { id, address: address.to_string(), url, addresses }
        };
        let nodes_of_file = listeners.iter().enumerate().map(node).collect();
        let config = ClusterConfig {
            cluster: "test".to_owned(),
            workers: 1,
            nodes: nodes_of_file,
            index: 0,
            identity: None,
        };
        let (sender, done) = channel();
        let announcements = vec![Announcements::default(); nodes];
        let nodes = (0..nodes).map(|_| None).collect();
        let root = tempfile::tempdir().unwrap();
        let plans = Arc::default();
        Self { root, config, nodes, stream: None, announcements, plans, sender, done }
    }

    fn config(&self, id: NodeId) -> ClusterConfig {
        ClusterConfig { index: id, ..self.config.clone() }
    }

    fn data(&self, id: NodeId) -> std::path::PathBuf {
        self.root.path().join(id.to_string())
    }

    /// Starts a node with the `config` of its file.
    fn start_with(&mut self, id: NodeId, config: ClusterConfig, ready: Ready) {
        let health = Health::default();
        let status = Status::new(health.component("cluster"), &config);
        let (ready, done) = (Mutex::new(ready), Mutex::new(self.sender.clone()));
        let (plans, stream) = (Arc::clone(&self.plans), self.stream.clone());
        let node = Arc::new(IdleNode { plans, stream, ready, done, id });
        let data: &Path = &self.data(id);
        let (clock, announcements) = (Clock::system(), Announcements::default());
        let running =
            RunningNode::start(config, data, clock, status, &announcements, node).unwrap();
        self.announcements[id] = announcements;
        self.nodes[id] = Some((running, health));
    }

    fn start(&mut self, id: NodeId) {
        self.start_with(id, self.config(id), new_node());
    }

    fn stop(&mut self, id: NodeId) {
        let (node, _) = self.nodes[id].take().unwrap();
        node.stop();
    }

    fn requester(&self, id: NodeId) -> Requester {
        self.nodes[id].as_ref().unwrap().0.requester()
    }

    /// Waits until each of the nodes has done something, and returns what it was.
    fn wait_for(&self, nodes: &[NodeId]) -> Vec<Done> {
        let mut found = vec![None; self.nodes.len()];
        while nodes.iter().any(|id| found[*id].is_none()) {
            let (id, done) = self.done.recv_timeout(TIMEOUT).unwrap();
            found[id] = Some(done);
        }
        found.into_iter().flatten().collect()
    }

    /// Waits until a node reports a note with this text.
    fn wait_for_note(&self, id: NodeId, text: &str) {
        let health = &self.nodes[id].as_ref().unwrap().1;
        wait_until(|| health.notes().iter().any(|note| note.contains(text)));
    }
}

fn wait_until(condition: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !condition() {
        assert!(began.elapsed() < TIMEOUT);
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        self.nodes.iter_mut().filter_map(Option::take).for_each(|(node, _)| node.stop());
    }
}
