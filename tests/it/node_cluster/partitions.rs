//! Networks that fail between two nodes which both reach the third.

use std::time::{Duration, Instant};

use super::proxy::{Mode, Network};
use super::{NodeCluster, Options, generation, note};
use crate::run::view;
use crate::serving::{ServiceProcess, wait_for};

/// A cluster behind proxies.
fn start() -> (NodeCluster, Network) {
    start_of(Options::default())
}

fn start_of(options: Options) -> (NodeCluster, Network) {
    let mut cluster = NodeCluster::create(options);
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
        if one > 0 {
            // No generation forms, and all nodes say why.
            for node in 0..3 {
                wait_for("both are named", || {
                    let reason = note(cluster.node(node)).unwrap();
                    [one, other].iter().all(|node| reason.contains(&format!("node {node}")))
                });
            }
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
    let began = Instant::now();
    for node in 0..3 {
        cluster.wait_note(node, "results are not updated");
    }
    let noticed = began.elapsed();
    assert!(noticed < Duration::from_secs(9), "{noticed:?}");
    let named =
        ["node 1: node 2 is lost: it sent nothing", "node 2: node 1 is lost: it sent nothing"];
    for node in 0..3 {
        wait_for("both nodes are named", || {
            let reason = note(cluster.node(node)).unwrap();
            named.iter().any(|named| reason.contains(named))
        });
    }
    send_to_all(&cluster, 1);
    network.set(1, 2, Mode::Forward);
    cluster.wait_live();
    let token = send_to_all(&cluster, 2);
    for node in cluster.running() {
        assert_eq!(node.get(&format!("/v1/projects/p?after={token}"))["views"], 9);
    }
}

#[test]
fn nodes_are_named_by_their_ids_and_not_by_their_positions() {
    let (mut cluster, network) = start_of(Options { ids: vec![0, 2, 5], ..Options::default() });
    for mode in [Mode::Freeze, Mode::Cut] {
        network.set(1, 2, mode);
        for node in 0..3 {
            wait_for("nodes 2 and 5 are named", || {
                let reason = note(cluster.node(node)).unwrap();
                reason.contains("node 2") && reason.contains("node 5")
            });
        }
        network.set(1, 2, Mode::Forward);
        cluster.wait_live();
    }
    cluster.kill(2);
    for node in 0..2 {
        cluster.wait_note(node, "node 5");
    }
    for log in cluster.running().map(ServiceProcess::log) {
        for unknown in ["node 1 ", "node 3 ", "node 4 "] {
            assert!(!log.contains(unknown), "{log}");
        }
    }
}
