//! Bans on a cluster: in effect at every node when acknowledged, also after restarts and kills. Changes of bans and rules
//! need a generation.

use serde_json::{Value, json};

use super::{NodeCluster, Options};
use crate::bans::set;
use crate::run::sample;
use crate::serving::agent;

/// The racers in the standings of a node, and its list of bans.
fn racers(cluster: &NodeCluster, node: usize) -> (serde_json::Value, serde_json::Value) {
    let standings = cluster.node(node).get("/v1/races/1/7/standings");
    (standings["racers"].clone(), cluster.node(node).get("/v1/bans")["racers"].clone())
}

#[test]
fn a_ban_that_a_node_acknowledges_is_in_effect_everywhere_and_after_kills() {
    let mut cluster = NodeCluster::start(Options { workers: 2, ..Options::default() });
    let lines: Vec<_> = (1..=6).map(|racer| sample(1, racer, 1, racer.into())).collect();
    let token = cluster.node(1).post(&lines.join("\n"));
    cluster.node(2).get(&format!("/v1/classes?after={token}"));
    let mut banned = Vec::new();
    for (number, killed) in [vec![], vec![2], vec![0], vec![0, 1, 2]].into_iter().enumerate() {
        let racer = number as u32 + 1;
        set(cluster.node(number % 3), racer, true);
        banned.push(racer);
        for node in 0..3 {
            assert_eq!(racers(&cluster, node), (json!(6 - racer), json!(banned)), "node {node}");
        }
        killed.iter().for_each(|node| cluster.kill(*node));
        cluster.start_all();
        cluster.wait_live();
        for node in 0..3 {
            assert_eq!(racers(&cluster, node), (json!(6 - racer), json!(banned)), "node {node}");
        }
    }
    for racer in banned {
        set(cluster.node(racer as usize % 3), racer, false);
    }
    cluster.stop_all();
    cluster.start_all();
    cluster.wait_live();
    for node in 0..3 {
        assert_eq!(racers(&cluster, node), (json!(6), json!([])), "node {node}");
    }
}

#[test]
fn without_a_generation_bans_and_rules_are_refused_and_not_made() {
    let mut cluster = NodeCluster::start(Options::default());
    cluster.kill(2);
    for node in 0..2 {
        cluster.wait_note(node, "node 2");
        let url = format!("{}/v1/bans/9", cluster.node(node).url);
        let mut answer = agent().put(url).send_empty().unwrap();
        assert_eq!(answer.status().as_u16(), 503);
        assert_eq!(answer.headers()["retry-after"], "1");
        let text = answer.body_mut().read_to_string().unwrap();
        assert!(text.contains("cluster_incomplete"), "{text}");
    }
    for node in 0..2 {
        let url = format!("{}/v1/rules", cluster.node(node).url);
        let mut answer = agent().post(url).send("resistance_offset = 60").unwrap();
        assert_eq!(answer.status().as_u16(), 503);
        assert_eq!(answer.headers()["retry-after"], "1");
        let text = answer.body_mut().read_to_string().unwrap();
        assert!(text.contains("cluster_incomplete") && text.contains("node 2"), "{text}");
    }
    cluster.start_node(2);
    cluster.wait_live();
    for node in 0..3 {
        assert_eq!(cluster.node(node).get("/v1/bans"), json!({"racers": []}));
        let rules = cluster.node(node).get("/v1/rules");
        assert_eq!(
            (&rules["rules"]["resistance_offset"], &rules["rebuild"]),
            (&json!(65.0), &Value::Null)
        );
    }
}
