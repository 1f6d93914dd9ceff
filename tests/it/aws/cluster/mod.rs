//! Clusters that read a stream: each node reads some of its shards.

mod equality;
mod loss;
mod shards;
mod time;

use serde_json::Value;

use super::servers::Kinesis;
use super::source::views;
use crate::node_cluster::{NodeCluster, Options};
use crate::run::view;
use crate::serving::{ServiceProcess, get, now_ms, wait_for};

/// A clock by which a race ends a few seconds after its events, and a segment of the log is sealed after a second.
fn fast_clock() -> String {
    format!("--clock-speed 60 --clock-from {}", now_ms())
}

/// Three nodes that read the stream `races`.
fn options(kinesis: &Kinesis, arguments: &str) -> Options {
    let environment = kinesis.environment();
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Options {
        arguments: format!("--source kinesis:races {arguments}"),
        environment: environment.collect(),
        ..Options::default()
    }
}

/// Puts the views `from` to `to` of project "p".
fn put_views(kinesis: &Kinesis, from: u64, to: u64) {
    let record = |number: u64| (number.to_string(), view(1, &number.to_string()));
    kinesis.put("races", (from..to).map(record));
}

/// Waits until all nodes count `count` views.
fn wait_views(cluster: &NodeCluster, count: u64) {
    for node in cluster.running() {
        wait_for(&format!("{} counts {count} views", node.url), || views(node) >= count);
        assert_eq!(views(node), count, "{}", node.url);
    }
}

/// The shards that each node reads, as a node knows it.
fn shards(node: &ServiceProcess) -> Vec<Vec<String>> {
    let (_, cluster) = get(&format!("{}/v1/cluster", node.url));
    let names = |node: &Value| {
        let shards = node["shards"].as_array().unwrap().iter();
        shards.map(|shard| shard.as_str().unwrap().to_owned()).collect()
    };
    cluster["nodes"].as_array().unwrap().iter().map(names).collect()
}

/// The ids of shards with these numbers.
fn ids(numbers: &[usize]) -> Vec<String> {
    numbers.iter().map(|number| format!("shardId-{number:012}")).collect()
}
