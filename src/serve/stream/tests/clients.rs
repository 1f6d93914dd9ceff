//! Clients that connect, lag, reconnect and leave.

use axum::response::IntoResponse;
use velodrome_dataflows::ViewCount;

use super::super::ring::SNAPSHOT_EVERY;
use super::*;

/// Runs one tick with a change at each of `times`; the hub runs after each tick.
async fn run(bench: &mut Bench, times: impl IntoIterator<Item = EventTime>) {
    for time in times {
        bench.tick(time, vec![rides((2, 9, 12), 1, time as f64)]).await;
    }
}

fn heads(sent: &[Sent]) -> Vec<(Option<&str>, &str, u64)> {
    sent.iter().map(Sent::head).collect()
}

#[tokio::test(start_paused = true)]
async fn a_reconnecting_client_gets_missed_frames_without_a_snapshot() {
    let mut bench = Bench::new();
    let mut first = bench.followed("standings:2").await;
    run(&mut bench, [5_010]).await;
    assert_eq!(heads(&take(&mut first)), [(Some("e-5010"), "delta", 5_010)]);
    drop(first);
    run(&mut bench, [5_020, 5_030]).await;
    let mut again = bench.follow("standings:2", Some("e-5010"));
    let missed = take(&mut again);
    let expected = [(None, "delta", 5_020), (Some("e-5030"), "delta", 5_030)];
    assert_eq!(heads(&missed[1..]), expected);
}

#[tokio::test(start_paused = true)]
async fn an_old_or_unknown_last_id_results_in_a_snapshot() {
    let mut bench = Bench::new();
    let mut first = bench.followed("standings:2").await;
    run(&mut bench, (5_010..).step_by(10).take(300)).await;
    assert_eq!(take(&mut first), []);
    for last in ["e-5010", "d-7990", "7990", "e-", "e-99999", "x"] {
        let mut again = bench.follow("standings:2", Some(last));
        bench.hub.tick().await;
        assert_eq!(take(&mut again)[1].head().1, "snapshot", "{last}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_without_clients_is_retained_for_a_minute() {
    for (away, expected) in [(59, "delta"), (62, "snapshot")] {
        let mut bench = Bench::new();
        let views = || {
            let count = ViewCount { views: 1, duration_ms: 0 };
            vec![LiveChange::Views("p".into(), count)]
        };
        drop(bench.followed("views:*").await);
        bench.tick(5_010, views()).await;
        tokio::time::advance(Duration::from_secs(away)).await;
        bench.tick(5_020, views()).await;
        let mut again = bench.follow("views:*", Some("e-5010"));
        let mut sent = take(&mut again);
        bench.hub.tick().await;
        sent.append(&mut take(&mut again));
        assert_eq!(sent[1].head(), (Some("e-5020"), expected, 5_020), "{away}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_client_gets_one_snapshot_and_delays_no_other_client() {
    let mut bench = Bench::new();
    let mut stalled = bench.followed("standings:2").await;
    let mut other = bench.followed("standings:2").await;
    for time in (5_010..).step_by(10).take(600) {
        run(&mut bench, [time]).await;
        assert_eq!(heads(&take(&mut other)), [(Some(&*format!("e-{time}")), "delta", time)]);
    }
    assert_eq!(take(&mut stalled), []);
    bench.hub.tick().await;
    let position = format!("e-{}", 5_000 + 600 * 10 + 1);
    assert_eq!(heads(&take(&mut stalled)), [(Some(&*position), "snapshot", 11_000)]);
    assert_eq!(take(&mut other), []);
}

#[tokio::test(start_paused = true)]
async fn clients_that_connect_within_a_second_share_a_snapshot() {
    let mut bench = Bench::new();
    let _first = bench.followed("standings:2").await;
    run(&mut bench, (5_010..=5_100).step_by(10)).await;
    let mut second = bench.follow("standings:2", None);
    let shared = take(&mut second);
    assert_eq!(heads(&shared[1..2]), [(None, "snapshot", 5_000)]);
    assert_eq!((shared.len(), shared[11].head()), (12, (Some("e-5100"), "delta", 5_100)));
    tokio::time::advance(SNAPSHOT_EVERY).await;
    let mut third = bench.follow("standings:2", None);
    assert_eq!(take(&mut third).len(), 1);
    bench.hub.tick().await;
    assert_eq!(heads(&take(&mut third)), [(Some("e-5101"), "snapshot", 5_100)]);
}

#[tokio::test(start_paused = true)]
async fn only_the_last_frame_of_a_batch_has_an_id() {
    let mut bench = Bench::new();
    let mut client = bench.followed("standings:2,races,views:*").await;
    bench.tick(5_010, vec![rides((2, 9, 99), 1, 1.0)]).await;
    let ids: Vec<_> = take(&mut client).iter().map(|sent| sent.head().0.is_some()).collect();
    assert_eq!(ids, [false, true]);
    // A topic without a snapshot delays the other topics; otherwise an id would cover unsent frames.
    let mut new = bench.follow("standings:2,stats", None);
    assert_eq!(take(&mut new).len(), 1);
    bench.hub.tick().await;
    let ids: Vec<_> = take(&mut new).iter().map(|sent| sent.head().0.is_some()).collect();
    assert_eq!(ids, [false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn the_frame_rate_drops_as_the_number_of_clients_grows() {
    let mut bench = Bench::new();
    let mut client = bench.followed("standings:2").await;
    let others: Vec<_> = (0..4_999).map(|_| bench.follow("standings:2", None)).collect();
    let mut seen = Vec::new();
    for time in (5_010..=6_000).step_by(10) {
        run(&mut bench, [time]).await;
        seen.append(&mut take(&mut client));
    }
    // 5,000 clients at 20 us per client and 1 ns per byte, in ticks of 10 ms.
    assert_eq!(seen.len(), 9);
    drop(others);
    run(&mut bench, [6_010, 6_020]).await;
    assert_eq!(take(&mut client).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_frame_rate_drops_as_frames_grow() {
    let mut bench = Bench::new();
    let mut client = bench.followed("standings:2").await;
    let _others: Vec<_> = (0..999).map(|_| bench.follow("standings:2", None)).collect();
    let mut seen = Vec::new();
    for time in (5_010..=6_000).step_by(10) {
        let all = (1..=1_000).map(|racer| rides((2, 9, racer), 1, time as f64));
        bench.tick(time, all.collect()).await;
        seen.append(&mut take(&mut client));
    }
    // 1,000 clients at 20 us per client and 1 ns per byte, with frames of some 60,000 bytes.
    assert!((11..=14).contains(&seen.len()), "{}", seen.len());
}

#[tokio::test(start_paused = true)]
async fn changes_before_a_frame_is_due_are_sent_with_that_frame() {
    let mut bench = Bench::new();
    let mut client = bench.followed("standings:2").await;
    let _others: Vec<_> = (0..1_999).map(|_| bench.follow("standings:2", None)).collect();
    bench.tick(5_010, vec![rides((2, 9, 12), 8, 1.0)]).await;
    assert_eq!(take(&mut client), []);
    let next = bench.tick(5_020, vec![rides((2, 9, 11), 9, 1.0)]).await;
    assert_eq!((next - Instant::now()).as_millis(), 20);
    tokio::time::sleep_until(next).await;
    bench.hub.tick().await;
    let sent = take(&mut client);
    assert_eq!(heads(&sent), [(Some("e-5020"), "delta", 5_020)]);
    assert_eq!(sent[0].data()["rows"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_racer_shown_only_in_a_snapshot_between_two_frames_is_reported_as_gone() {
    let mut bench = Bench::new();
    let _first = bench.followed("standings:2").await;
    // With this many clients, frames are further apart than snapshots.
    let _others: Vec<_> = (0..60_000).map(|_| bench.follow("standings:2", None)).collect();
    tokio::time::advance(2 * SNAPSHOT_EVERY).await;
    bench.tick(5_010, vec![rides((2, 9, 12), 8, 1.0)]).await;
    bench.tick(5_020, vec![rides((2, 9, 77), 8, 1.0)]).await;
    let mut client = bench.follow("standings:2", None);
    take(&mut client);
    bench.hub.tick().await;
    let snapshot = take(&mut client);
    assert!(snapshot[0].data()["rows"].to_string().contains("77"), "{snapshot:?}");
    let next = bench.tick(5_030, vec![LiveChange::Stage((2, 9, 77), Stage::Expired)]).await;
    tokio::time::sleep_until(next.max(Instant::now() + 2 * SNAPSHOT_EVERY)).await;
    bench.hub.tick().await;
    let delta = take(&mut client);
    assert_eq!(delta[0].data()["gone"], serde_json::json!([77]));
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_gets_a_comment_every_fifteen_seconds() {
    let mut bench = Bench::new();
    let mut client = bench.followed("standings:2").await;
    for _ in 0..2 {
        let began = Instant::now();
        let chunk = client.next().await.unwrap();
        assert_eq!((&chunk[..], began.elapsed().as_secs()), (&b": \n\n"[..], 15));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_permissions_expire_even_if_frames_are_pending() {
    let mut bench = Bench::new();
    let _other = bench.followed("standings:2").await;
    let expires = Instant::now() + Duration::from_secs(1);
    let topics = Topic::list("standings:2").unwrap();
    let channels = Arc::clone(&bench.channels);
    let mut client = Subscription::new(channels, topics, None, Some(expires)).unwrap();
    take(&mut client);
    assert_eq!(client.next().await, None);
    assert_eq!(Instant::now(), expires);
    run(&mut bench, [5_010]).await;
    assert_eq!(client.next().now_or_never(), Some(None));
}

#[tokio::test(start_paused = true)]
async fn closing_ends_all_streams_and_refuses_new_ones() {
    let mut bench = Bench::new();
    let mut client = bench.followed("standings:2,races").await;
    let ends = tokio::spawn(async move { client.next().await });
    tokio::task::yield_now().await;
    bench.channels.close();
    assert_eq!(ends.await.unwrap(), None);
    let topics = Topic::list("races").unwrap();
    let refused = Subscription::new(Arc::clone(&bench.channels), topics, None, None);
    assert_eq!(refused.err().unwrap().into_response().status().as_u16(), 503);
}

#[tokio::test(start_paused = true)]
async fn limits_followed_topics_and_drops_those_without_clients() {
    let bench = Bench::new();
    let many = |from: u32, count: u32| -> Vec<_> {
        let topics = (from..from + count).map(|class| format!("board:{class}"));
        let topics: Vec<_> = topics.collect();
        topics.chunks(16).map(|some| bench.follow(&some.join(","), None)).collect()
    };
    let _most = many(0, 9_984);
    let rest = many(20_000, 16);
    let one_more = || {
        let topics = Topic::list("stats").unwrap();
        Subscription::new(Arc::clone(&bench.channels), topics, None, None)
    };
    let refused = one_more().err().unwrap().into_response();
    assert_eq!(
        (refused.status().as_u16(), refused.headers()["retry-after"].as_bytes()),
        (503, &b"1"[..])
    );
    // A topic that is already followed does not count again.
    drop(bench.follow("board:20000", None));
    drop(rest);
    assert!(one_more().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_failed_frame_is_replaced_by_a_snapshot_once_the_engine_answers() {
    let mut bench = Bench::new();
    let mut client = bench.followed("standings:2").await;
    let mut other = bench.followed("races").await;
    // Rows without a name need a query to the engine.
    let nameless = Standing { second: 9, output: Output(1.0), name: None, started_at: 2_000 };
    let changes = vec![
        LiveChange::Stage((2, 9, 11), Stage::Running(nameless, Vec::new())),
        LiveChange::Stage((2, 9, 12), Stage::Finished { started_at: 2_000 }),
        rides((2, 9, 99), 1, 1.0),
    ];
    bench.fake.drop_replies(true);
    bench.tick(5_010, changes).await;
    assert_eq!((take(&mut client).len(), take(&mut other).len()), (0, 1));
    bench.fake.drop_replies(false);
    bench.tick(5_020, vec![]).await;
    let sent = take(&mut client);
    assert_eq!(heads(&sent), [(Some("e-5020"), "snapshot", 5_020)]);
    assert_eq!(sent[0].data()["racers"], 3);
}
