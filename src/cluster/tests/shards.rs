use super::*;
use crate::kinesis::{Origin, SourceState, positions::ShardPositions};

fn state(origin: Origin, after: &str) -> SourceState {
    let shards = format!(
        r#"{{"stream":"races","createdMs":5,"shards":{{"a":{{"next":{{"after":"{after}"}},"untilMs":null,"isFinished":false}}}}}}"#
    );
    SourceState { positions: serde_json::from_str(&shards).unwrap(), origin }
}

#[test]
fn reports_about_shards_reach_the_other_nodes_in_order() {
    let mut cluster = TestCluster::new(3);
    (0..3).for_each(|id| cluster.start(id));
    cluster.wait_for(&[0, 1, 2]);
    let archived = |number: u64| {
        let json =
            format!(r#"{{"{number}":{{"next":"trimHorizon","untilMs":null,"isFinished":true}}}}"#);
        serde_json::from_str::<ShardPositions>(&json).unwrap()
    };
    let report = |number| ShardReport { archived: archived(number), ..ShardReport::default() };
    for reporter in [1, 0] {
        (0..20).for_each(|number| cluster.announcements[reporter].shards(report(number)));
        let others = (0..3).filter(|id| *id != reporter);
        let mut next = [0; 3];
        while others.clone().any(|id| next[id] < 20) {
            let (id, done) = cluster.done.recv_timeout(TIMEOUT).unwrap();
            assert_eq!((id != reporter, done), (true, Done::Shards(report(next[id]))));
            next[id] += 1;
        }
    }
}

#[test]
fn a_plan_has_the_newest_positions_and_nodes_with_another_stream_are_refused() {
    let mut cluster = TestCluster::new(3);
    cluster.stream = Some("races".to_owned());
    let first = state(Origin::First { is_at_latest: false }, "1");
    let (old, new) = (state(Origin::Read, "99"), state(Origin::Read, "100"));
    for (id, source) in [(0, Some(first)), (1, Some(new.clone())), (2, Some(old))] {
        // Logs follow the stream, whose time is long ago on a node that was down.
        let ready = Ready { source, clock_ms: None, ..new_node() };
        cluster.start_with(id, cluster.config(id), ready);
    }
    cluster.wait_for(&[0, 1, 2]);
    assert_eq!(cluster.plans.lock().unwrap().last().unwrap().source, Some(new));
    cluster.stop(2);
    cluster.stream = None;
    cluster.start(2);
    cluster.wait_for_note(2, "its stream (--source) is none, and that of node 0 is races");
}
