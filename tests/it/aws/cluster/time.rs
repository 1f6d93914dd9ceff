//! The time of a cluster is that of its stream: of all shards, whichever nodes read them.

use super::super::servers::Kinesis;
use super::{fast_clock, options, put_views, shards, wait_views};
use crate::node_cluster::NodeCluster;
use crate::run::sample;
use crate::serving::wait_for;

#[test]
fn rides_finish_while_the_stream_is_idle_and_nodes_without_shards_follow() {
    let kinesis = Kinesis::start();
    kinesis.create("races", 1);
    let mut cluster = NodeCluster::start(options(&kinesis, &fast_clock()));
    put_views(&kinesis, 0, 10);
    wait_views(&cluster, 10);
    wait_for("one node reads the shard", || {
        shards(cluster.node(2)).iter().map(Vec::len).eq([1, 0, 0])
    });
    // A node without shards gives its events the time of the stream.
    for node in 0..3 {
        let event = sample(1, node as u32, 1, 1.0);
        let token = cluster.node(node).post(&event);
        let standings = cluster.node(1).get(&format!("/v1/races/1/7/standings?after={token}"));
        assert_eq!(standings["racers"], node + 1);
    }
    for node in cluster.running() {
        wait_for("the race is finished", || {
            let races = node.get("/v1/races");
            races["rows"].as_array().unwrap().first().is_some_and(|race| race["state"] == "over")
        });
    }
    cluster.stop_all();
}
