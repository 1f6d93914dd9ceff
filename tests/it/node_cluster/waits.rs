//! What the nodes of a cluster report, and waits for it.

use serde_json::Value;

use super::NodeCluster;
use crate::serving::{ServiceProcess, get, wait_for};

impl NodeCluster {
    /// Waits until a node accepts events, whether a generation runs or not.
    pub(crate) fn wait_accepts(&self, node: usize) {
        wait_for("the node accepts events", || {
            get(&format!("{}/readyz", self.node(node).url)).0 == 200
        });
    }

    /// Waits until a generation answers reads on all nodes.
    pub(crate) fn wait_live(&self) {
        wait_for("a generation answers reads on all nodes", || {
            self.running().all(|node| note(node).is_some_and(|note| note.is_empty()))
        });
    }

    /// Waits until no generation runs on a node, for a reason that contains `part`. Returns the reason.
    pub(crate) fn wait_note(&self, node: usize, part: &str) -> String {
        let mut found = None;
        wait_for(&format!("node {node} reports '{part}'"), || {
            found = note(self.node(node)).filter(|note| note.contains(part) && !note.is_empty());
            found.is_some()
        });
        found.unwrap()
    }
}

/// Why no generation runs on a node; empty if one runs, `None` if the node does not reply.
pub(crate) fn note(node: &ServiceProcess) -> Option<String> {
    let (status, ready) = get(&format!("{}/readyz", node.url));
    if status == 0 || !ready["notes"].is_array() {
        return None;
    }
    let notes = ready["notes"].as_array().unwrap().iter().filter_map(Value::as_str);
    let mut notes = notes.filter_map(|note| note.strip_prefix("cluster: "));
    Some(notes.next().unwrap_or_default().to_owned())
}

/// The number of the generation that answers reads, from the metrics of a node.
pub(crate) fn generation(node: &ServiceProcess) -> u64 {
    let (_, metrics) = get(&format!("{}/metrics", node.url));
    let lines = metrics.as_str().unwrap_or_default().lines();
    let value = lines.filter_map(|line| line.strip_prefix("velodrome_cluster_generation ")).next();
    value.map_or(0, |value| value.parse::<f64>().unwrap() as u64)
}
