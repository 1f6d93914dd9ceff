//! A complete source: drift between shards, the clock, and the report of failures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::fake::{Fake, error};
use super::harness::{RunningSource, iterator, shards, summary, views};
use crate::log::Clock;

/// The drift allowed between shards: half of the default grace.
const MAX_DRIFT_MS: u64 = 30_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_waits_for_the_slowest_one_and_arrivals_are_kept() {
    let base_ms = Clock::system().now() - 3_600_000;
    let at = move |seconds: u64| base_ms + seconds * 1_000;
    let asked = AtomicUsize::new(0);
    let (_, stream) = Fake::start(move |name, body, _| match name {
        "DescribeStreamSummary" => summary(base_ms),
        "ListShards" => shards(&["fast", "slow"]),
        "GetShardIterator" => iterator(body),
        _ if body["ShardIterator"] == "fast" => {
            views("fast", &[at(0), at(10), at(40), at(100), at(500)], 3_000_000)
        }
        // Two empty responses although more records follow, then one record per response.
        _ => match asked.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => views("slow", &[], 3_600_000),
            2 => views("slow", &[at(50)], 3_000_000),
            3 => views("slow", &[at(90)], 3_000_000),
            4 => views("slow", &[at(95)], 3_000_000),
            _ => views("slow", &[], 3_500_000),
        },
    })
    .await;
    let running = RunningSource::start(stream, &["fast", "slow"], base_ms);
    let is_there = |running: &RunningSource, uuid: String| {
        running.logged().iter().any(|(logged, _)| *logged == uuid)
    };
    running
        .wait_for("all admitted events are logged", |running| {
            is_there(running, format!("slow-{}", at(95)))
                && is_there(running, format!("fast-{}", at(100)))
        })
        .await;
    let logged = running.stop().await;
    let place = |uuid: String| logged.iter().position(|(logged, _)| *logged == uuid);
    let fast = |seconds| place(format!("fast-{}", at(seconds)));
    let slow = |seconds| place(format!("slow-{}", at(seconds)));
    assert!(fast(10).unwrap() < fast(40).unwrap(), "{logged:?}");
    assert!(slow(50).unwrap() < fast(100).unwrap(), "{logged:?}");
    assert!(slow(90).unwrap() < slow(95).unwrap(), "{logged:?}");
    assert_eq!(fast(500), None, "{logged:?}");
    for (uuid, arrival_ms) in &logged {
        let own_ms: u64 = uuid.split_once('-').unwrap().1.parse().unwrap();
        // The log raises arrivals that would decrease, by no more than the drift between shards.
        assert!((own_ms..=own_ms + MAX_DRIFT_MS).contains(arrival_ms), "{logged:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_follows_the_last_arrival_and_at_the_end_the_time_of_polls() {
    let now_ms = Clock::system().now();
    let old_ms = now_ms - 3_600_000;
    let (fake, stream) = Fake::start(move |name, body, number| match (name, number) {
        ("DescribeStreamSummary", _) => summary(old_ms),
        ("ListShards", _) => shards(&["a"]),
        ("GetShardIterator", _) => iterator(body),
        (_, 0) => views("a", &[old_ms], 1_000),
        (_, 1..=3) => views("a", &[], 1_000),
        _ => views("a", &[], 0),
    })
    .await;
    let running = RunningSource::start(stream, &["a"], old_ms);
    running.wait_for("the event is logged", |running| running.clock.now() >= old_ms).await;
    while fake.calls("GetRecords").len() < 4 {
        assert!(running.clock.now() < old_ms + 100);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running
        .wait_for("the clock reaches the present", |running| running.clock.now() >= now_ms)
        .await;
    assert_eq!(running.stop().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lasting_failure_is_reported_until_the_stream_is_read_again() {
    let now_ms = Clock::system().now();
    let is_allowed = Arc::new(AtomicBool::new(false));
    let allowed = Arc::clone(&is_allowed);
    let (_, stream) = Fake::start(move |name, body, _| match name {
        "DescribeStreamSummary" => summary(now_ms),
        "ListShards" => shards(&["a"]),
        "GetShardIterator" => iterator(body),
        _ if allowed.load(Ordering::SeqCst) => views("a", &[now_ms], 0),
        _ => error("AccessDeniedException", "not yours"),
    })
    .await;
    let running = RunningSource::start(stream, &["a"], now_ms);
    running
        .wait_for("the failure is reported", |running| !running.health.faults().is_empty())
        .await;
    let faults = running.health.faults();
    assert!(faults[0].starts_with("source: no permission for kinesis:GetRecords on"), "{faults:?}");
    is_allowed.store(true, Ordering::SeqCst);
    running.wait_for("the failure is cleared", |running| running.health.faults().is_empty()).await;
    running.wait_for("the event is logged", |running| !running.logged().is_empty()).await;
    running.stop().await;
}
