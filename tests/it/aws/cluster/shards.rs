//! Shards are dealt over the nodes, also those that appear while a generation reads.

use serde_json::Value;

use super::super::servers::Kinesis;
use super::{ids, options, put_views, shards, wait_views};
use crate::node_cluster::{NodeCluster, generation};
use crate::serving::{get, wait_for};

#[test]
fn shards_are_dealt_over_the_nodes_and_their_children_too() {
    for kinesis in [Kinesis::start(), Kinesis::start_slow()] {
        kinesis.create("races", 4);
        let mut cluster = NodeCluster::start(options(&kinesis, ""));
        put_views(&kinesis, 0, 100);
        wait_views(&cluster, 100);
        let wait_dealt = |of: [&[usize]; 3]| {
            wait_for(&format!("the shards {of:?} are read"), || {
                shards(cluster.node(0)) == of.map(ids)
            });
        };
        wait_dealt([&[0, 3], &[1], &[2]]);
        // The children of shard 0 are on other nodes.
        kinesis.split("races", &kinesis.open_shards("races")[0]);
        put_views(&kinesis, 100, 200);
        wait_views(&cluster, 200);
        wait_dealt([&[3], &[1, 4], &[2, 5]]);
        let open = kinesis.open_shards("races");
        kinesis.merge("races", &open[1], &open[2]);
        put_views(&kinesis, 200, 300);
        wait_views(&cluster, 300);
        wait_dealt([&[3, 6], &[4], &[2]]);
        assert_eq!(generation(cluster.node(0)), 1, "no generation ended");
        cluster.stop_all();
        cluster.start_all();
        cluster.wait_live();
        put_views(&kinesis, 300, 310);
        wait_views(&cluster, 310);
        cluster.stop_all();
        assert_eq!(cluster.replay("replayed")["events"], 310, "each record is in one log");
    }
}

#[test]
fn latest_reads_only_records_that_arrive_from_then_on() {
    let kinesis = Kinesis::start();
    kinesis.create("races", 3);
    put_views(&kinesis, 0, 100);
    let mut cluster = NodeCluster::start(options(&kinesis, "--source-from latest"));
    let mut next = 100;
    wait_for("a view is counted", || {
        put_views(&kinesis, next, next + 10);
        next += 10;
        super::views(cluster.node(1)) > 0
    });
    cluster.stop_all();
    cluster.replay("replayed");
    let views = cluster.place.json("replayed/views.json")["p"]["views"].as_u64().unwrap();
    assert!((1..=next - 100).contains(&views), "{views}");
}

#[test]
fn nodes_that_read_different_streams_are_refused() {
    let kinesis = Kinesis::start();
    kinesis.create("races", 1);
    kinesis.create("other", 1);
    let mut cluster = NodeCluster::create(options(&kinesis, ""));
    cluster.start_node(0);
    cluster.options.arguments = "--source kinesis:other".to_owned();
    cluster.start_node(1);
    cluster.wait_note(1, "its stream (--source) is other, and that of node 0 is races");
}

#[test]
fn a_stream_that_cannot_be_read_is_reported_and_results_of_http_events_continue() {
    let kinesis = Kinesis::start();
    kinesis.create("races", 3);
    let cluster = NodeCluster::start(options(&kinesis, ""));
    put_views(&kinesis, 0, 10);
    wait_views(&cluster, 10);
    let before = generation(cluster.node(0));
    kinesis.delete("races");
    let reasons = |node: usize| {
        let (status, ready) = get(&format!("{}/readyz", cluster.node(node).url));
        if status == 503 { ready["reasons"].to_string() } else { String::new() }
    };
    wait_for("the failure is reported", || {
        (0..3).all(|node| reasons(node).contains("source: no such stream 'races'"))
    });
    // The time of the stream stands still for longer than results may hang.
    std::thread::sleep(std::time::Duration::from_secs(11));
    let token = cluster.node(1).post(&crate::run::view(1, "http"));
    let project: Value = cluster.node(2).get(&format!("/v1/projects/p?after={token}"));
    assert_eq!(project["views"], 11);
    assert_eq!(generation(cluster.node(0)), before, "the generation did not end");
}
