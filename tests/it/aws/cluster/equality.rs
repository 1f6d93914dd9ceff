//! The results of a cluster equal those of one process that reads the same stream, and of a replay, byte for byte.

use rand::SeedableRng;
use rand_pcg::Pcg64;
use serde_json::Value;

use super::super::servers::Kinesis;
use super::super::source::start;
use super::{fast_clock, options};
use crate::node_cluster::NodeCluster;
use crate::node_cluster::events::random;
use crate::node_cluster::outcome::{assert_outcome_of, wait_over};
use crate::run::Workplace;

#[test]
fn results_equal_those_of_one_process_with_1_worker() {
    results_equal_those_of_one_process(1);
}

#[test]
fn results_equal_those_of_one_process_with_2_workers() {
    results_equal_those_of_one_process(2);
}

fn results_equal_those_of_one_process(workers: usize) {
    let kinesis = Kinesis::start();
    kinesis.create("races", 4);
    let events = random(6_000, &mut Pcg64::seed_from_u64(workers as u64));
    for batch in events.chunks(500) {
        kinesis.put("races", batch.iter().map(|event| (key(event), event.clone())));
    }
    let mut options = options(&kinesis, &fast_clock());
    options.workers = workers;
    let mut cluster = NodeCluster::start(options);
    let expected = cluster.expected(&events);
    wait_over(cluster.node(1), expected.races());
    let summary = cluster.assert_outcome(&expected);
    assert_eq!(summary["events"], events.len(), "each record is in one log");

    let place = Workplace::new();
    let alone = start(&kinesis, &place.path("data"), &format!("{} --workers 2", fast_clock()));
    wait_over(&alone, expected.races());
    assert_outcome_of(&alone, &place.path("data"), &expected, "one process");
    assert_eq!(alone.stop(), 0);
}

/// The partition key of an event: all events of a racer, or of a uuid, are in one shard.
fn key(event: &str) -> String {
    let event: Value = serde_json::from_str(event).unwrap();
    match &event["racerId"] {
        Value::Null => event["uuid"].as_str().unwrap().to_owned(),
        racer => racer.to_string(),
    }
}
