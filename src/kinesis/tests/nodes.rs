//! The progress that two nodes report to each other, without a stream.

use super::super::deal::Deal;
use super::super::positions::{Origin, Positions, SourceState};
use super::super::progress::Progress;
use super::super::shard_report::ShardReport;
use super::super::shards::Shard;
use super::super::start::Start;
use crate::health::Health;
use crate::log::{Clock, SourceClock};

const BASE_MS: u64 = 1_620_240_000_000;
const MAX_DRIFT_MS: u64 = 1_000;

fn id(number: usize) -> String {
    format!("shardId-{number:012}")
}

fn shard(number: usize, parents: &[usize]) -> Shard {
    let parents = parents.iter().map(|parent| id(*parent)).collect();
    Shard { id: id(number), parents, is_open: true }
}

/// A node, and the clock that follows its shards.
struct Node {
    dir: tempfile::TempDir,
    progress: Progress,
    clock: Clock,
}

impl Node {
    /// A node of two, which knows the position of shards 0 and 1.
    fn new(node: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listed = [shard(0, &[]), shard(1, &[])];
        let mut positions = Positions::new("races", 1, &[], &Start::TrimHorizon, BASE_MS);
        let first = Positions::new("races", 1, &listed, &Start::TrimHorizon, BASE_MS);
        let deal = Deal::of_node(node, 2);
        let plan = SourceState { positions: first, origin: Origin::First { is_at_latest: false } };
        positions.join(&plan, |shard| deal.has(shard));
        let (clock, time): (_, SourceClock) = Clock::system().following_source();
        let component = Health::default().component("source");
        let data = dir.path().to_owned();
        let progress =
            Progress::new(deal, positions, data, MAX_DRIFT_MS, 86_400_000, time, component);
        Self { dir, progress, clock }
    }

    /// The numbers of the shards that the node may read of those that are `listed`.
    fn list(&self, listed: &[Shard]) -> Vec<String> {
        let (own, lost) = self.progress.update_shards(listed, 86_400_000, MAX_DRIFT_MS);
        assert!(lost.is_empty(), "{lost:?}");
        own
    }

    fn report_to(&self, other: &Self) {
        let progress = self.progress.take_changes();
        other.progress.apply(&ShardReport { progress, ..ShardReport::default() });
    }

    /// Whether the node may append a record that arrived at this time after [`BASE_MS`].
    fn admits(&self, shard: usize, ms: u64) -> bool {
        use futures_util::FutureExt;
        self.progress.admit(&id(shard), BASE_MS + ms).now_or_never().is_some()
    }

    fn reach_end(&self, shard: usize, ms: u64) {
        self.progress.start(&id(shard));
        self.progress.advance(&id(shard), BASE_MS + ms, true, BASE_MS + ms);
    }
}

/// The node that reads the shards with even numbers, and the other.
fn even_and_odd() -> (Node, Node) {
    (Node::new(0), Node::new(1))
}

#[test]
fn the_slowest_shard_of_any_node_limits_all() {
    let (even, odd) = even_and_odd();
    let listed = [shard(0, &[]), shard(1, &[])];
    assert_eq!((even.list(&listed), odd.list(&listed)), (vec![id(0)], vec![id(1)]));
    assert!(!even.admits(0, 0), "nothing is known of shard 1");
    assert!(!odd.admits(1, 500), "nothing is known of shard 0");
    odd.report_to(&even);
    assert!(even.admits(0, 1_500), "shard 1 is at 500, and waits for the first report");
    assert!(!even.admits(0, 1_501));
    even.report_to(&odd);
    assert!(odd.admits(1, 2_501) && !odd.admits(1, 2_502));
}

#[test]
fn time_advances_when_all_shards_of_all_nodes_are_read_to_their_ends() {
    let (even, odd) = even_and_odd();
    let listed = [shard(0, &[]), shard(1, &[])];
    even.list(&listed);
    odd.list(&listed);
    let start = even.clock.now();
    even.reach_end(0, 9_000);
    even.report_to(&odd);
    assert_eq!([even.clock.now(), odd.clock.now()], [start; 2], "shard 1 is not read yet");
    odd.reach_end(1, 8_000);
    odd.report_to(&even);
    assert_eq!([even.clock.now(), odd.clock.now()], [BASE_MS + 8_000; 2]);
    odd.reach_end(1, 9_500);
    odd.report_to(&even);
    assert_eq!([even.clock.now(), odd.clock.now()], [BASE_MS + 9_000; 2]);
}

#[test]
fn a_child_waits_for_a_parent_on_another_node_and_holds_back_the_others_meanwhile() {
    let (even, odd) = even_and_odd();
    let listed = [shard(0, &[]), shard(1, &[]), shard(2, &[0]), shard(3, &[0])];
    assert_eq!((even.list(&listed), odd.list(&listed)), (vec![id(0)], vec![id(1)]));
    even.reach_end(0, 5_000);
    odd.reach_end(1, 9_000);
    even.report_to(&odd);
    odd.report_to(&even);
    even.progress.finish(&id(0));
    assert_eq!((even.list(&listed), odd.list(&listed)), (vec![id(2)], vec![id(1)]));
    even.report_to(&odd);
    assert!(!odd.admits(1, 10_001), "shard 3 is not known to be readable, so shard 0 still counts");
    assert_eq!(odd.list(&listed), [id(1), id(3)]);
    assert!(!odd.admits(1, 9_001), "nothing is known of shards 2 and 3");
    odd.reach_end(3, 9_000);
    even.reach_end(2, 9_000);
    even.report_to(&odd);
    assert!(odd.admits(1, 10_000));
}

#[test]
fn a_shard_that_the_stream_drops_on_another_node_holds_back_nothing() {
    let (even, odd) = even_and_odd();
    let listed = [shard(0, &[]), shard(1, &[])];
    even.list(&listed);
    odd.list(&listed);
    odd.progress.advance(&id(1), BASE_MS, false, BASE_MS);
    odd.report_to(&even);
    even.report_to(&odd);
    let (_, lost) = odd.progress.update_shards(&listed[..1], 86_400_000, MAX_DRIFT_MS);
    assert_eq!(lost, [id(1)]);
    odd.report_to(&even);
    assert_eq!(even.list(&listed[..1]), [id(0)]);
    assert!(even.admits(0, 99_000));
}

#[test]
fn a_node_that_starts_again_gets_all_reports_again() {
    let (even, odd) = even_and_odd();
    even.list(&[shard(0, &[]), shard(1, &[])]);
    let all = even.progress.take_changes();
    assert!(!all.is_empty() && even.progress.take_changes().is_empty());
    even.progress.apply(&ShardReport { is_start: true, ..ShardReport::default() });
    assert_eq!(even.progress.take_changes(), all);
    drop(odd);
}

#[test]
fn what_is_archived_on_another_node_is_saved() {
    let (even, odd) = even_and_odd();
    even.progress.finish(&id(0));
    let archived = even.progress.set_archived(even.progress.own_positions());
    assert_eq!(archived.keys().collect::<Vec<_>>(), [&id(0)]);
    assert!(even.progress.set_archived(archived.clone()).is_empty(), "it is no news");
    odd.progress.apply(&ShardReport { archived, ..ShardReport::default() });
    odd.progress.save().unwrap();
    assert!(Positions::load(odd.dir.path()).unwrap().unwrap().is_finished(&id(0)));
}
