//! Networks that fail between two nodes which both reach the third.

use super::proxy::{Mode, Network};
use super::{NodeCluster, Options, generation, note};
use crate::run::view;
use crate::serving::{ServiceProcess, wait_for};

/// A cluster behind proxies.
fn start() -> (NodeCluster, Network) {
    let mut cluster = NodeCluster::create(Options::default());
    let network = Network::between(&cluster);
    cluster.start_all();
    cluster.wait_live();
    (cluster, network)
}

/// Sends a view to each node, and returns the last token.
fn send_to_all(cluster: &NodeCluster, round: usize) -> String {
    let uuid = |node: usize| format!("{round}-{node}");
    let [_, _, last] = [0, 1, 2].map(|node| cluster.node(node).post(&view(1, &uuid(node))));
    last
}

#[test]
fn two_nodes_that_cannot_connect_are_named_and_results_continue_when_they_can() {
    let (cluster, network) = start();
    for (round, (one, other)) in [(1, 2), (0, 1), (0, 2)].into_iter().enumerate() {
        send_to_all(&cluster, 2 * round);
        let before = generation(cluster.node(0));
        network.set(one, other, Mode::Cut);
        for node in 0..3 {
            // A node can see first that the third one left, and then learns why.
            wait_for("one of the two is named", || {
                let reason = note(cluster.node(node)).unwrap();
                [one, other].iter().any(|node| reason.contains(&format!("node {node}")))
            });
        }
        send_to_all(&cluster, 2 * round + 1);
        network.set(one, other, Mode::Forward);
        cluster.wait_live();
        assert!(generation(cluster.node(0)) > before);
        let token = cluster.node(2).post(&view(1, "the same in all rounds"));
        for node in cluster.running() {
            let project = node.get(&format!("/v1/projects/p?after={token}"));
            assert_eq!(project["views"], 6 * (round + 1) + 1);
        }
    }
}

#[test]
fn a_network_that_loses_all_packets_between_two_members_is_noticed() {
    let (cluster, network) = start();
    send_to_all(&cluster, 0);
    network.set(1, 2, Mode::Freeze);
    for node in 0..3 {
        cluster.wait_note(node, "results are not updated");
    }
    let logs = cluster.running().map(ServiceProcess::log).collect::<String>();
    assert!(logs.contains("the results did not advance for 10 s"), "{logs}");
    send_to_all(&cluster, 1);
    network.set(1, 2, Mode::Forward);
    cluster.wait_live();
    let token = send_to_all(&cluster, 2);
    for node in cluster.running() {
        assert_eq!(node.get(&format!("/v1/projects/p?after={token}"))["views"], 9);
    }
}
