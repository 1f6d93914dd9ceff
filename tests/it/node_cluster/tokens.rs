//! Read-your-writes: an event that one node has acknowledged is visible at every other node.

use std::thread;

use serde_json::json;

use super::{NodeCluster, Options};
use crate::run::sample;

#[test]
fn a_client_sees_its_writes_at_every_node() {
    let cluster = NodeCluster::start(Options { workers: 2, ..Options::default() });
    thread::scope(|scope| {
        for racer in 0..3_u32 {
            let cluster = &cluster;
            scope.spawn(move || {
                for second in 1..=40_u16 {
                    let to = (racer as usize + usize::from(second)) % 3;
                    let token = cluster.node(to).post(&sample(1, racer, second, second.into()));
                    let path =
                        format!("/v1/races/1/7/standings?around={racer}&window=0&after={token}");
                    let row = &cluster.node((to + 1) % 3).get(&path)["rows"][0];
                    let expected = (json!(second), json!(f64::from(second) + 65.0));
                    assert_eq!((&row["second"], &row["output"]), (&expected.0, &expected.1));
                }
            });
        }
    });
}

#[test]
fn a_token_is_valid_after_its_node_was_killed() {
    let mut cluster = NodeCluster::start(Options::default());
    for (second, killed) in [(1, 2), (2, 0)] {
        let token = cluster.node(killed).post(&sample(1, 5, second, 1.0));
        cluster.kill(killed);
        cluster.start_node(killed);
        cluster.wait_live();
        for node in cluster.running() {
            let standings = node.get(&format!("/v1/races/1/7/standings?after={token}"));
            assert_eq!(standings["rows"][0]["second"], second);
        }
    }
}
