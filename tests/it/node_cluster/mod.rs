//! Clusters of `velodrome serve` processes: one live service on several nodes.
//!
//! Each cluster has loopback addresses of its own, so that no other process gets the ports of a node that is down.

mod addresses;
pub(crate) mod events;
mod faults;
pub(crate) mod outcome;
mod probes;
mod proxy;
mod rule_switches;
mod waits;

mod bans;
mod chaos;
mod clocks;
mod disks;
mod equality;
mod loss;
mod partitions;
mod refusals;
pub(crate) mod strangers;
mod switches;
mod tokens;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use crate::run::Workplace;
use crate::serving::{ServiceProcess, now_ms};
use addresses::Addresses;
pub(crate) use waits::{generation, note};

/// What is special about a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) nodes: usize,
    /// The ids of the nodes in their order; empty for 0, 1, ...
    pub(crate) ids: Vec<usize>,
    /// Worker threads of each node.
    pub(crate) workers: usize,
    pub(crate) has_certificates: bool,
    /// Further arguments of all nodes.
    pub(crate) arguments: String,
    /// Environment variables of all nodes.
    pub(crate) environment: Vec<(String, String)>,
    /// The rules of the expected results; empty for those of Alleycat.
    pub(crate) rules: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        let (ids, arguments, environment) = (Vec::new(), String::new(), Vec::new());
        let (has_certificates, rules) = (false, "");
        Self { nodes: 3, ids, workers: 1, has_certificates, arguments, environment, rules }
    }
}

/// A cluster. Nodes that run at its end are killed.
pub(crate) struct NodeCluster {
    /// Before `place`, so that the nodes end before their directories are removed.
    nodes: Vec<Option<ServiceProcess>>,
    pub(crate) place: Workplace,
    pub(crate) options: Options,
    pub(crate) addresses: Addresses,
}

impl NodeCluster {
    /// Starts all nodes, and waits until a generation answers reads on all of them.
    pub(crate) fn start(options: Options) -> Self {
        let mut cluster = Self::create(options);
        cluster.start_all();
        cluster.wait_live();
        cluster
    }

    /// Creates the files of a cluster, without starting a node.
    pub(crate) fn create(options: Options) -> Self {
        let (place, addresses) = (Workplace::new(), Addresses::new());
        let (nodes, workers) = (options.nodes, options.workers);
        let created =
            place.run(&format!("cluster init --nodes {nodes} -w {workers} --dir cluster"));
        assert_eq!(created.code, 0, "{}", created.stderr);
        let mut file = fs::read_to_string(place.path("cluster/cluster.toml")).unwrap();
        // From the greatest, because each id is greater than those that it replaces.
        for (position, id) in options.ids.iter().enumerate().rev() {
            file = file.replace(&format!("id = {position}\n"), &format!("id = {id}\n"));
        }
        place.write("cluster/cluster.toml", addresses.replace_in(&file));
        if !options.has_certificates {
            fs::remove_file(place.path("cluster/ca.pem")).unwrap();
        }
        let nodes = (0..nodes).map(|_| None).collect();
        Self { nodes, place, options, addresses }
    }

    /// The data directory of a node.
    pub(crate) fn data(&self, node: usize) -> PathBuf {
        self.place.path(&format!("data-{node}"))
    }

    /// The directory of a node's files for its cluster. By default all nodes use the same.
    fn files(&self, node: usize) -> PathBuf {
        let own = self.place.path(&format!("cluster-{node}"));
        if own.exists() { own } else { self.place.path("cluster") }
    }

    /// The arguments of a node.
    pub(crate) fn arguments(&self, node: usize) -> String {
        let id = self.options.ids.get(node).copied().unwrap_or(node);
        format!(
            "--cluster {} --node {id} --listen {} --archive {} --checkpoint-seconds 1 {}",
            self.files(node).join("cluster.toml").display(),
            self.addresses.http(node),
            self.place.path("archive").display(),
            self.options.arguments
        )
    }

    /// Starts a node, and waits until it listens. The log of its last process is kept.
    pub(crate) fn start_node(&mut self, node: usize) {
        assert!(self.nodes[node].is_none(), "node {node} runs already");
        let log = self.data(node).with_extension("stderr");
        if let Ok(mut text) = fs::read_to_string(&log) {
            let earlier = log.with_extension("earlier");
            text.insert_str(0, &fs::read_to_string(&earlier).unwrap_or_default());
            fs::write(earlier, text).unwrap();
        }
        let environment = self.options.environment.clone();
        self.start_node_in(node, &environment);
    }

    /// Starts a node like `start_node`, with environment variables.
    pub(crate) fn start_node_in(&mut self, node: usize, environment: &[(String, String)]) {
        let mut env = Command::new("env");
        env.args(environment.iter().map(|(name, value)| format!("{name}={value}")));
        let started = ServiceProcess::start_under(env, &self.data(node), &self.arguments(node));
        self.nodes[node] = Some(started);
    }

    #[cfg(feature = "aws")]
    /// Removes the last node from the cluster file. All nodes must be down.
    pub(crate) fn remove_last_node(&mut self) {
        let file = fs::read_to_string(self.place.path("cluster/cluster.toml")).unwrap();
        let (others, _) = file.rsplit_once("[[").unwrap();
        self.place.write("cluster/cluster.toml", others);
        assert!(self.nodes.pop().unwrap().is_none());
        self.options.nodes -= 1;
    }

    /// Starts all nodes that are down.
    pub(crate) fn start_all(&mut self) {
        let down: Vec<_> =
            (0..self.nodes.len()).filter(|node| self.nodes[*node].is_none()).collect();
        down.into_iter().for_each(|node| self.start_node(node));
    }

    /// A node that runs.
    pub(crate) fn node(&self, node: usize) -> &ServiceProcess {
        self.nodes[node].as_ref().unwrap()
    }

    /// All nodes that run.
    pub(crate) fn running(&self) -> impl Iterator<Item = &ServiceProcess> {
        self.nodes.iter().flatten()
    }

    fn take(&mut self, node: usize) -> ServiceProcess {
        self.nodes[node].take().unwrap()
    }

    /// Kills a node, which has the effect of a machine failure.
    pub(crate) fn kill(&mut self, node: usize) {
        self.take(node).kill();
    }

    /// Stops a node as an operator does.
    pub(crate) fn stop(&mut self, node: usize) {
        assert_eq!(self.take(node).stop(), 0, "node {node}");
    }

    /// Stops all nodes at once. The last result of each node is then final.
    pub(crate) fn stop_all(&mut self) {
        self.running().for_each(|node| send_signal(node, "-TERM"));
        let running = self.nodes.iter_mut().filter_map(Option::take);
        running.for_each(|node| assert_eq!(node.wait(), 0));
    }

    /// Freezes a node until it is resumed.
    pub(crate) fn pause(&self, node: usize) {
        send_signal(self.node(node), "-STOP");
    }

    /// Resumes a node that is paused.
    pub(crate) fn resume(&self, node: usize) {
        send_signal(self.node(node), "-CONT");
    }
}

impl Drop for NodeCluster {
    fn drop(&mut self) {
        // Threads run differently with the same seed, so the files of a failure are worth more than its seed.
        if thread::panicking() {
            let copy = format!("{}/node-cluster-{}", env!("CARGO_TARGET_TMPDIR"), now_ms());
            let copied = Command::new("cp").arg("-r").arg(self.place.path("")).arg(&copy).status();
            eprintln!("the files of the failed cluster: {copy} ({copied:?})");
        }
    }
}

fn send_signal(node: &ServiceProcess, signal: &str) {
    let sent = Command::new("kill").args([signal, &node.id().to_string()]).status();
    assert!(sent.unwrap().success());
}
