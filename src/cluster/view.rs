//! What the nodes of a cluster know of each other, so that every node answers the same.

use serde::{Deserialize, Serialize};
use velodrome_dataflows::EventTime;

use super::config::Node;

/// What is known of a node. The coordinator sends it to all nodes once a second and when it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeView {
    /// Whether it is connected to the coordinator; `None` while this node itself is not.
    pub is_connected: Option<bool>,
    /// Its last report.
    pub report: Option<Report>,
}

/// What a node reports of itself once a second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The time of its log.
    pub clock_ms: u64,
    /// The lag of its results behind its log, in ms.
    pub lag_ms: u64,
    /// The time up to which its checkpoint is complete.
    pub checkpoint: Option<EventTime>,
    /// The shards of the stream that it reads now.
    pub shards: Vec<String>,
    /// The newest segment of its log up to which all are archived; 0 before the first.
    pub archived: u64,
}

/// Forgets which nodes are connected, on a node that has lost the coordinator, which is at position 0.
pub(super) fn lose_coordinator(nodes: &mut [NodeView]) {
    for (position, node) in nodes.iter_mut().enumerate() {
        node.is_connected = (position == 0).then_some(false);
    }
}

/// Says for which of `nodes` a cluster waits: those that are not connected. `None` if all are.
pub(super) fn missing_text(nodes: &[Node], views: &[NodeView]) -> Option<String> {
    let missing = nodes.iter().zip(views).filter(|(_, view)| view.is_connected == Some(false));
    let missing: Vec<_> = missing.map(|(node, _)| node.id.to_string()).collect();
    match &missing[..] {
        [] => None,
        [one] => Some(format!("the cluster waits for node {one}")),
        [others @ .., last] => {
            Some(format!("the cluster waits for nodes {} and {last}", others.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(connected: &[bool]) -> Vec<NodeView> {
        let node = |is_connected: &bool| NodeView {
            is_connected: Some(*is_connected),
            ..NodeView::default()
        };
        connected.iter().map(node).collect()
    }

    #[test]
    fn missing_nodes_are_named_and_a_node_without_the_coordinator_names_only_it() {
        let node =
            |id| Node { id, address: String::new(), url: String::new(), addresses: Vec::new() };
        let listed = [0, 2, 5, 9].map(node);
        let text = |connected: [bool; 4]| missing_text(&listed, &nodes(&connected));
        assert_eq!(text([true; 4]), None);
        let one = text([true, true, false, true]);
        assert_eq!(one.as_deref(), Some("the cluster waits for node 5"));
        let three = text([true, false, false, false]);
        assert_eq!(three.as_deref(), Some("the cluster waits for nodes 2, 5 and 9"));
        let mut alone = nodes(&[true; 4]);
        lose_coordinator(&mut alone);
        assert_eq!(missing_text(&listed, &alone).as_deref(), Some("the cluster waits for node 0"));
        assert_eq!(alone[1].is_connected, None);
    }
}
