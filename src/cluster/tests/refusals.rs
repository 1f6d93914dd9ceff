use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;

#[test]
fn a_node_that_differs_is_refused_and_learns_why() {
    let mut cluster = TestCluster::new(2);
    cluster.start(0);
    let config = cluster.config(1);
    let other_cluster = ClusterConfig { cluster: "other".to_owned(), ..config.clone() };
    let more_workers = ClusterConfig { workers: 2, ..config.clone() };
    let mut other_id = config;
    other_id.nodes[1].id = 5;
    for (config, text) in [
        (other_cluster, "this is cluster 'test', not 'other'"),
        (more_workers, "its number of workers is 2, and that of node 0 is 1"),
        (other_id, "the cluster file of node 0 has no node 5"),
    ] {
        cluster.start_with(1, config, new_node());
        cluster.wait_for_note(1, text);
        cluster.stop(1);
    }
}

#[test]
fn clocks_rules_and_copies_that_do_not_fit_are_refused() {
    let now = Clock::system().now();
    for (ready, text) in [
        (Ready { clock_ms: Some(now + 86_400_000), ..new_node() }, " s ahead of that of node 0"),
        (
            Ready { rules: "other".to_owned(), ..new_node() },
            "its rules differ from those of node 0",
        ),
    ] {
        let mut cluster = TestCluster::new(2);
        cluster.start(0);
        let config = cluster.config(1);
        cluster.start_with(1, config, ready);
        cluster.wait_for_note(1, text);
        cluster.stop(1);
    }
}

#[test]
fn strangers_do_not_disturb_a_cluster() {
    let mut cluster = TestCluster::new(2);
    let address = cluster.config.nodes[0].addresses[0];
    cluster.start(0);
    for text in [&b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..], b"{}\n", &[0xff; 100_000], b""] {
        let mut stranger = TcpStream::connect(address).unwrap();
        // The node may close the connection before it has read all.
        _ = stranger.write_all(text).and_then(|()| stranger.read(&mut [0; 9]));
    }
    cluster.start(1);
    assert_eq!(cluster.wait_for(&[0, 1]), vec![Done::Lives(1); 2]);
}

#[test]
fn a_link_that_finds_no_place_is_opened_again() {
    let mut cluster = TestCluster::new(3);
    (0..2).for_each(|id| cluster.start(id));
    cluster.wait_for_note(1, "waits for the other nodes");
    // They have all places of their address at node 1 until it disconnects them.
    let address = cluster.config.nodes[1].addresses[0];
    let silent: Vec<_> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
    cluster.start(2);
    assert_eq!(cluster.wait_for(&[0, 1, 2]), vec![Done::Lives(1); 3]);
    drop(silent);
}

#[test]
fn a_log_that_lacks_what_was_archived_is_refused_unless_its_node_accepts_that() {
    let log = |end| Ready { logs: Sequences::from([(1, end)]), ..new_node() };
    let mut cluster = TestCluster::new(2);
    cluster.start(0);
    cluster.start_with(1, cluster.config(1), log(7));
    assert_eq!(cluster.wait_for(&[0, 1]), vec![Done::Lives(1); 2]);
    // Both nodes know it, so either can lose its disk.
    for id in [0, 1] {
        let path = cluster.data(id).join(GENERATION);
        wait_until(|| std::fs::read_to_string(&path).unwrap().contains(r#""archived":{"1":7}"#));
    }
    (0..2).for_each(|id| cluster.stop(id));
    cluster.done.try_iter().for_each(drop);
    for (lost, generation) in [(1, 2), (0, 3)] {
        std::fs::remove_dir_all(cluster.data(lost)).unwrap();
        std::fs::create_dir(cluster.data(lost)).unwrap();
        cluster.start(0);
        cluster.start_with(1, cluster.config(1), log(2));
        cluster.wait_for_note(1, "its log ends with segment 2, but segment 7 was archived; ");
        cluster.stop(1);
        cluster.start_with(1, cluster.config(1), log(7));
        assert_eq!(cluster.wait_for(&[0, 1]), vec![Done::Lives(generation); 2]);
        (0..2).for_each(|id| cluster.stop(id));
        cluster.done.try_iter().for_each(drop);
    }
    cluster.start(0);
    let accepts = Ready { accept_damage: true, ..log(2) };
    cluster.start_with(1, cluster.config(1), accepts);
    assert_eq!(cluster.wait_for(&[0, 1]), vec![Done::Lives(4); 2]);
    // Once, not at each start.
    (0..2).for_each(|id| cluster.stop(id));
    cluster.done.try_iter().for_each(drop);
    cluster.start(0);
    cluster.start_with(1, cluster.config(1), log(2));
    assert_eq!(cluster.wait_for(&[0, 1]), vec![Done::Lives(5); 2]);
}
