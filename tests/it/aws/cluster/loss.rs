//! Nodes are killed, lose their disks, and leave, while records arrive. No record is lost, and none counts twice.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::super::servers::Kinesis;
use super::{fast_clock, ids, options, put_views, shards, wait_views};
use crate::node_cluster::{NodeCluster, generation};
use crate::serving::{agent, wait_for};

/// The number of views in a request.
const BATCH: u64 = 5;

/// Sets a flag when it is dropped, also by a failed assertion.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Puts views while `act` runs. Returns their number.
fn while_views_arrive(kinesis: &Kinesis, act: impl FnOnce(&AtomicU64)) -> u64 {
    let (count, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Acquire) {
                let from = count.load(Ordering::Acquire);
                put_views(kinesis, from, from + BATCH);
                count.store(from + BATCH, Ordering::Release);
                thread::sleep(Duration::from_millis(20));
            }
        });
        let _over = SetOnDrop(&is_over);
        act(&count);
    });
    count.into_inner()
}

/// Waits until a node counts views that arrive from now on.
fn wait_reads_on(cluster: &NodeCluster, node: usize, put: &AtomicU64) {
    let target = put.load(Ordering::Acquire) + BATCH;
    wait_for("new views are counted", || super::views(cluster.node(node)) >= target);
}

#[test]
fn killed_nodes_return_and_read_on() {
    let kinesis = Kinesis::start();
    kinesis.create("races", 5);
    let mut cluster = NodeCluster::start(options(&kinesis, ""));
    let count = while_views_arrive(&kinesis, |put| {
        for (killed, other) in [(vec![1], 2), (vec![0], 1), (vec![1, 2], 0), (vec![0, 1, 2], 1)] {
            wait_reads_on(&cluster, other, put);
            killed.iter().for_each(|node| cluster.kill(*node));
            cluster.start_all();
            cluster.wait_live();
        }
        wait_reads_on(&cluster, 2, put);
    });
    wait_views(&cluster, count);
    cluster.stop_all();
    cluster.start_all();
    cluster.wait_live();
    put_views(&kinesis, count, count + 10);
    wait_views(&cluster, count + 10);
    cluster.stop_all();
    cluster.replay("replayed");
    assert_eq!(cluster.place.json("replayed/views.json")["p"]["views"], count + 10);
}

#[test]
fn a_switch_of_rules_does_not_interrupt_reading() {
    let kinesis = Kinesis::start();
    kinesis.create("races", 4);
    let mut cluster = NodeCluster::start(options(&kinesis, ""));
    let count = while_views_arrive(&kinesis, |put| {
        for (divisor, node) in [("50", 1), ("70", 2)] {
            wait_reads_on(&cluster, node, put);
            let before = generation(cluster.node(0));
            let url = format!("{}/v1/rules", cluster.node(node).url);
            let answer = agent().post(&url).send(format!("divisor = {divisor}.0")).unwrap();
            assert_eq!(answer.status(), 202);
            wait_for("the rules are active on all nodes", || {
                cluster.running().all(|node| generation(node) > before)
            });
            cluster.wait_live();
            wait_reads_on(&cluster, node, put);
        }
    });
    wait_views(&cluster, count);
    cluster.stop_all();
    assert_eq!(cluster.replay("replayed")["events"], count, "each record is in one log");
}

#[test]
fn a_node_without_its_disk_reads_again_what_its_archive_lacks() {
    let kinesis = Kinesis::start();
    kinesis.create("races", 4);
    let mut count = 0;
    let mut put = |cluster: &NodeCluster, views| {
        put_views(&kinesis, count, count + views);
        count += views;
        wait_views(cluster, count);
    };
    for node in [2, 0] {
        let mut cluster = NodeCluster::start(options(&kinesis, &fast_clock()));
        put(&cluster, 300);
        let shard = &ids(&[node])[0];
        wait_for("another node knows that records are archived", || {
            let positions = cluster.place.json("data-1/positions.json");
            positions["archived"][shard]["next"]["after"].is_string()
        });
        // This is in no archive yet.
        put(&cluster, 10);
        cluster.kill(node);
        fs::remove_dir_all(cluster.data(node)).unwrap();
        cluster.start_node(node);
        cluster.wait_live();
        put(&cluster, 10);
        cluster.stop_all();
    }
}

#[test]
fn the_shards_of_a_removed_node_are_read_by_the_others() {
    for is_killed in [false, true] {
        let kinesis = Kinesis::start();
        kinesis.create("races", 4);
        let mut cluster = NodeCluster::start(options(&kinesis, ""));
        put_views(&kinesis, 0, 100);
        wait_views(&cluster, 100);
        if is_killed {
            // The other nodes read again what was only in its log.
            cluster.kill(2);
            fs::remove_dir_all(cluster.data(2)).unwrap();
        } else {
            cluster.stop(2);
        }
        cluster.stop_all();
        put_views(&kinesis, 100, 110);
        cluster.remove_last_node();
        cluster.start_all();
        cluster.wait_live();
        wait_views(&cluster, 110);
        put_views(&kinesis, 110, 120);
        wait_views(&cluster, 120);
        let all = [ids(&[0, 2]), ids(&[1, 3])];
        wait_for("both nodes report their shards", || shards(cluster.node(1)) == all);
        cluster.stop_all();
        if !is_killed {
            let archives = "archive/node-0 archive/node-1 archive/node-2";
            let replayed = cluster.place.run(&format!("replay --merge {archives} --out all"));
            assert_eq!(replayed.code, 0, "{}", replayed.stderr);
            let events = &cluster.place.json("all/summary.json")["events"];
            assert_eq!(*events, 120, "the others resume where it stopped");
        }
    }
}
