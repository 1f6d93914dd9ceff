//! Switches of rules that follow each other faster than they complete.

use std::thread;
use std::time::Duration;

use super::{NodeCluster, Options};
use crate::run::view;
use crate::serving::{agent, get, wait_for};

#[test]
fn switches_that_overlap_at_two_nodes_leave_a_cluster_that_answers_with_the_same_rules() {
    let cluster = NodeCluster::start(Options { nodes: 2, ..Options::default() });
    let mut views = 0;
    let mut send_view = |node: usize| {
        views += 1;
        (cluster.node(node).post(&view(1, &views.to_string())), views)
    };
    for round in 0..16_u64 {
        let post = |node: usize, grace: u64| {
            let url = format!("{}/v1/rules", cluster.url(node));
            let answer = agent().post(url).send(format!("grace_seconds = {grace}")).unwrap();
            assert_eq!(answer.status().as_u16(), 202);
        };
        post(0, 40 + 2 * round);
        send_view(1);
        // The moment at which the second request meets the first switch.
        thread::sleep(Duration::from_millis(13 * round));
        post((round % 2) as usize, 41 + 2 * round);
        let (token, views) = send_view(0);
        wait_for("both nodes have the same rules", || {
            let rules = [0, 1].map(|node| get(&format!("{}/v1/rules", cluster.url(node))).1);
            let is_over = rules
                .iter()
                .all(|rules| rules["rebuild"].is_null() || rules["rebuild"]["error"].is_string());
            is_over && rules[0]["rulesId"] == rules[1]["rulesId"]
        });
        for node in 0..2 {
            let project = cluster.node(node).get(&format!("/v1/projects/p?after={token}"));
            assert_eq!(project["views"], views, "round {round}, node {node}");
        }
    }
    // The bans and rules of a cluster with a generation can be changed.
    crate::bans::set(cluster.node(1), 5, true);
}
