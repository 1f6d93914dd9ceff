//! A cluster that loses nodes: the others accept events and report the last state, and nothing is lost or counted twice
//! when the nodes are back.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{NodeCluster, Options, generation};
use crate::run::{sample, view};
use crate::serving::{ServiceProcess, get, post, wait_for};

/// Sends a view and a sample of its own racer to each node that runs. `count` is the number of events so far.
fn send_to_all(cluster: &NodeCluster, count: &mut u32) {
    for node in cluster.running() {
        *count += 1;
        let lines = [sample(1, *count, 1, 1.0), view(1, &count.to_string())];
        node.post(&lines.join("\n"));
    }
}

/// Asserts that a node counts `count` views, and lists as many racers.
fn assert_count(cluster: &NodeCluster, node: &ServiceProcess, count: u32) {
    let token = cluster.node(0).post(&sample(1, 0, 1, 1.0));
    assert_eq!(node.get(&format!("/v1/projects/p?after={token}"))["views"], count);
    let standings = node.get(&format!("/v1/races/1/7/standings?after={token}"));
    assert_eq!(standings["racers"], count + 1);
}

#[test]
fn nothing_is_lost_or_counted_twice_after_nodes_are_killed() {
    let mut cluster = NodeCluster::start(Options::default());
    let mut count = 0;
    send_to_all(&cluster, &mut count);
    for (killed, part) in
        [(vec![1], "node 1"), (vec![0], "node 0"), (vec![1, 2], "is lost"), (vec![2, 0], "node 0")]
    {
        assert_count(&cluster, cluster.node(1), count);
        send_to_all(&cluster, &mut count);
        killed.iter().for_each(|node| cluster.kill(*node));
        let survivors: Vec<_> = (0..3).filter(|node| !killed.contains(node)).collect();
        for node in &survivors {
            cluster.wait_note(*node, part);
        }
        send_to_all(&cluster, &mut count);
        cluster.start_all();
        // A node that returns accepts events before a generation runs.
        send_to_all(&cluster, &mut count);
        cluster.wait_live();
        for node in cluster.running() {
            assert_count(&cluster, node, count);
        }
    }
    assert_eq!(cluster.replay("replayed")["events"], 2 * count + 16);
}

#[test]
fn a_frozen_node_ends_the_generation_and_joins_the_next() {
    let cluster = NodeCluster::start(Options::default());
    let mut count = 0;
    send_to_all(&cluster, &mut count);
    let before = generation(cluster.node(1));
    cluster.pause(2);
    // For 5 s the others wait for it. They acknowledge events throughout.
    while super::note(cluster.node(0)).unwrap().is_empty() {
        for node in 0..2 {
            count += 1;
            let lines = [sample(1, count, 1, 1.0), view(1, &count.to_string())];
            let (status, body) = post(&cluster.node(node).url, &lines.join("\n")).unwrap();
            assert_eq!(status, 200, "{body}");
        }
        thread::sleep(Duration::from_millis(20));
    }
    for node in 0..2 {
        let reason = cluster.wait_note(node, "node 2");
        assert!(reason.contains("is lost: it sent nothing for 5 s"), "{reason}");
    }
    cluster.resume(2);
    cluster.wait_live();
    assert!(generation(cluster.node(1)) > before);
    for node in cluster.running() {
        assert_count(&cluster, node, count);
    }
}

#[test]
fn a_short_freeze_does_not_end_the_generation() {
    let cluster = NodeCluster::start(Options::default());
    let before = generation(cluster.node(0));
    for node in 0..3 {
        cluster.pause(node);
        thread::sleep(Duration::from_secs(1));
        cluster.resume(node);
    }
    let mut count = 0;
    send_to_all(&cluster, &mut count);
    assert_count(&cluster, cluster.node(2), count);
    assert_eq!(generation(cluster.node(0)), before);
}

#[test]
fn without_a_generation_nodes_report_the_last_state_and_name_what_is_missing() {
    let mut cluster = NodeCluster::create(Options::default());
    cluster.start_node(0);
    cluster.start_node(1);
    let incomplete = |node: &ServiceProcess, path: &str| {
        let (status, body) = get(&format!("{}{path}", node.url));
        assert_eq!((status, &body["error"]["code"]), (503, &json!("cluster_incomplete")), "{path}");
        body["error"]["message"].as_str().unwrap().to_owned()
    };
    cluster.wait_note(1, "reads get 503: waits for the other nodes");
    let code = |path| get(&format!("{}{path}", cluster.node(1).url)).1["error"]["code"].clone();
    wait_for("node 1 has started", || code("/v1/classes") != "starting");
    let ready = get(&format!("{}/readyz", cluster.node(1).url)).1;
    assert!(ready["notes"].to_string().contains("cluster: reads get 503: "), "{ready}");
    assert!(ready["reasons"].to_string().contains("the data directory is new"), "{ready}");
    incomplete(cluster.node(1), "/v1/classes");
    cluster.start_node(2);
    cluster.wait_live();
    let first = cluster.node(1).post(&view(1, "a"));
    let views = |node: usize| cluster.node(node).get("/v1/projects")["rows"].clone();
    let expected = json!([{"projectId": "p", "views": 1, "durationMs": 10}]);
    assert_eq!(cluster.node(2).get(&format!("/v1/projects?after={first}"))["rows"], expected);
    assert_eq!([views(0), views(1)], [expected.clone(), expected.clone()]);

    cluster.kill(2);
    cluster.wait_note(1, "node 2");
    let token = cluster.node(0).post(&view(1, "b"));
    // A node that was restarted has no results, and the other has some.
    cluster.kill(1);
    cluster.start_node(1);
    cluster.wait_accepts(1);
    for (node, path) in [(0, "/v1/racers/1/curve?classId=1"), (1, "/v1/projects")] {
        wait_for("the error names the node that is missing", || {
            let message = incomplete(cluster.node(node), path);
            message
                == "no generation of the cluster answers reads: the cluster waits for node 2; try again in a second"
        });
    }
    for node in cluster.running() {
        assert_eq!(get(&format!("{}/readyz", node.url)).1["ready"], Value::Bool(true));
    }
    assert_eq!(cluster.node(0).get("/v1/projects")["rows"], expected);
    let began = Instant::now();
    incomplete(cluster.node(0), &format!("/v1/projects?after={token}"));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[test]
fn nodes_are_restarted_one_after_another_without_a_lost_event() {
    let mut cluster = NodeCluster::start(Options::default());
    let mut count = 0;
    for node in [1, 2, 0] {
        send_to_all(&cluster, &mut count);
        cluster.stop(node);
        // The client tries another node.
        send_to_all(&cluster, &mut count);
        cluster.start_node(node);
        cluster.wait_live();
        send_to_all(&cluster, &mut count);
        assert_count(&cluster, cluster.node(node), count);
    }
    cluster.stop_all();
    cluster.start_all();
    cluster.wait_live();
    assert_count(&cluster, cluster.node(1), count);
}
