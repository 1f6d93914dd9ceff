//! What clients receive when they connect, reconnect or fall behind.

use serde_json::json;

use super::super::frame_ring::SNAPSHOT_INTERVAL;
use super::*;

#[tokio::test(start_paused = true)]
async fn a_reconnected_client_gets_missed_frames_without_a_snapshot() {
    let mut bench = Bench::new();
    let mut first = bench.subscribed("standings:2").await;
    run_ticks(&mut bench, [5_010]).await;
    assert_eq!(heads(&receive(&mut first)), [(Some("e-5010"), "delta", 5_010)]);
    drop(first);
    run_ticks(&mut bench, [5_020, 5_030]).await;
    let mut again = bench.subscribe("standings:2", Some("e-5010"));
    let missed = receive(&mut again);
    let expected = [(None, "delta", 5_020), (Some("e-5030"), "delta", 5_030)];
    assert_eq!(heads(&missed[1..]), expected);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_too_old_or_of_another_run_gets_a_snapshot() {
    let mut bench = Bench::new();
    let mut first = bench.subscribed("standings:2").await;
    run_ticks(&mut bench, (5_010..).step_by(10).take(300)).await;
    assert_eq!(receive(&mut first), []);
    for last_id in ["e-5010", "d-7990", "7990", "e-", "e-99999", "x"] {
        let mut again = bench.subscribe("standings:2", Some(last_id));
        bench.hub.publish().await;
        assert_eq!(receive(&mut again)[1].head().1, "snapshot", "{last_id}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_of_other_topics_gets_a_snapshot_of_each() {
    let mut bench = Bench::new();
    let _both = bench.subscribed("standings:2,views:*").await;
    let _races = bench.subscribed("races").await;
    run_ticks(&mut bench, [5_010]).await;
    bench.tick(5_020, vec![viewed("p", 1, 0)]).await;
    let subscribe = |of: &str, topics: &str| {
        let id = complete_id("e-5010", &Topic::parse_list(of).unwrap());
        let (broker, topics) = (Arc::clone(&bench.broker), Topic::parse_list(topics).unwrap());
        Subscription::new(broker, CLIENT, topics, Some(&id), None, bench.no_notice()).unwrap()
    };
    let followed =
        ["standings:2", "views:*", "races", "standings:2,views:*", "views:*,standings:2"];
    let clients: Vec<_> = followed
        .iter()
        .flat_map(|of| followed.map(|topics| (*of, topics, subscribe(of, topics))))
        .collect();
    tokio::time::advance(SNAPSHOT_INTERVAL).await;
    for (of, topics, mut client) in clients {
        let mut received = receive(&mut client);
        bench.hub.publish().await;
        received.append(&mut receive(&mut client));
        let is_resumed = of.len() == topics.len() && of.contains(&topics[..5]);
        let snapshots = received.iter().filter(|sent| sent.head().1 == "snapshot").count();
        let expected = if is_resumed { 0 } else { topics.split(',').count() };
        assert_eq!(snapshots, expected, "{of} to {topics}: {received:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_without_clients_is_retained_for_a_minute() {
    for (absent_s, expected) in [(59, "delta"), (62, "snapshot")] {
        let mut bench = Bench::new();
        drop(bench.subscribed("views:*").await);
        bench.tick(5_010, vec![viewed("p", 1, 0)]).await;
        tokio::time::advance(Duration::from_secs(absent_s)).await;
        bench.tick(5_020, vec![viewed("p", 1, 0)]).await;
        let mut again = bench.subscribe("views:*", Some("e-5010"));
        let mut received = receive(&mut again);
        bench.hub.publish().await;
        received.append(&mut receive(&mut again));
        assert_eq!(received[1].head(), (Some("e-5020"), expected, 5_020), "{absent_s}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_client_gets_one_snapshot_and_delays_no_other() {
    let mut bench = Bench::new();
    let mut stalled = bench.subscribed("standings:2").await;
    let mut other = bench.subscribed("standings:2").await;
    for time in (5_010..).step_by(10).take(600) {
        run_ticks(&mut bench, [time]).await;
        assert_eq!(heads(&receive(&mut other)), [(Some(&*format!("e-{time}")), "delta", time)]);
    }
    assert_eq!(receive(&mut stalled), []);
    bench.hub.publish().await;
    let position = format!("e-{}", 5_000 + 600 * 10 + 1);
    assert_eq!(heads(&receive(&mut stalled)), [(Some(&*position), "snapshot", 11_000)]);
    assert_eq!(receive(&mut other), []);
}

#[tokio::test(start_paused = true)]
async fn clients_that_connect_within_a_second_share_a_snapshot() {
    let mut bench = Bench::new();
    let _first = bench.subscribed("standings:2").await;
    run_ticks(&mut bench, (5_010..=5_100).step_by(10)).await;
    let mut second = bench.subscribe("standings:2", None);
    let shared = receive(&mut second);
    assert_eq!(heads(&shared[1..2]), [(None, "snapshot", 5_000)]);
    assert_eq!((shared.len(), shared[11].head()), (12, (Some("e-5100"), "delta", 5_100)));
    tokio::time::advance(SNAPSHOT_INTERVAL).await;
    let mut third = bench.subscribe("standings:2", None);
    assert_eq!(receive(&mut third).len(), 1);
    bench.hub.publish().await;
    assert_eq!(heads(&receive(&mut third)), [(Some("e-5101"), "snapshot", 5_100)]);
}

#[tokio::test(start_paused = true)]
async fn only_the_last_frame_of_several_topics_has_an_id() {
    let mut bench = Bench::new();
    let mut client = bench.subscribed("standings:2,races,views:*").await;
    bench.tick(5_010, vec![running((2, 9, 99), 1, 1.0)]).await;
    let ids: Vec<_> = receive(&mut client).iter().map(|sent| sent.head().0.is_some()).collect();
    assert_eq!(ids, [false, true]);
    // The client must wait for the missing snapshot: otherwise an id would cover a frame that was not
    // sent.
    let mut new = bench.subscribe("standings:2,stats", None);
    assert_eq!(receive(&mut new).len(), 1);
    bench.hub.publish().await;
    let ids: Vec<_> = receive(&mut new).iter().map(|sent| sent.head().0.is_some()).collect();
    assert_eq!(ids, [false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_racer_of_a_snapshot_between_two_deltas_is_removed_by_the_second() {
    let mut bench = Bench::new();
    let _first = bench.subscribed("standings:2").await;
    // With so many clients, deltas are further apart than snapshots.
    let _others: Vec<_> = (0..60_000).map(|_| bench.subscribe("standings:2", None)).collect();
    tokio::time::advance(2 * SNAPSHOT_INTERVAL).await;
    bench.tick(5_010, vec![running((2, 9, 12), 8, 1.0)]).await;
    bench.tick(5_020, vec![running((2, 9, 77), 8, 1.0)]).await;
    let mut client = bench.subscribe("standings:2", None);
    receive(&mut client);
    bench.hub.publish().await;
    let snapshot = receive(&mut client);
    assert!(snapshot[0].data()["rows"].to_string().contains("77"), "{snapshot:?}");
    let next_due = bench.tick(5_030, vec![LiveChange::Stage((2, 9, 77), Stage::Expired)]).await;
    tokio::time::sleep_until(next_due.max(Instant::now() + 2 * SNAPSHOT_INTERVAL)).await;
    bench.hub.publish().await;
    let delta = receive(&mut client);
    assert_eq!(delta[0].data()["gone"], json!([77]));
}
