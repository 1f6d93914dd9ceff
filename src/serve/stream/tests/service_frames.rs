//! The content of the frames of `views` and `stats`.

use serde_json::json;
use velodrome_dataflows::Rules;

use super::*;
use crate::rules;

#[tokio::test(start_paused = true)]
async fn views_of_one_project_or_of_all_are_sent_as_they_change() {
    let ticks =
        || vec![vec![viewed("a,b", 2, 5)], vec![viewed("c", 1, 5), viewed("a,b", 1, 5)], vec![]];
    let row = |project: &str, views: u64, duration_ms: u64| json!({"projectId": project, "views": views, "durationMs": duration_ms});
    let frame = |event: &str, topic: &str, as_of: u64, rows: Vec<Value>| {
        (event.to_owned(), json!({"topic": topic, "asOf": as_of, "rows": rows}))
    };
    let one = "views:a%2Cb";
    let expected = vec![
        frame("snapshot", one, 5_000, vec![]),
        frame("delta", one, 5_010, vec![row("a,b", 2, 5)]),
        frame("delta", one, 5_020, vec![row("a,b", 3, 10)]),
    ];
    assert_eq!(frames("views:%61%2cb", ticks()).await, expected);
    let expected = vec![
        frame("snapshot", "views:*", 5_000, vec![]),
        frame("delta", "views:*", 5_010, vec![row("a,b", 2, 5)]),
        frame("delta", "views:*", 5_020, vec![row("a,b", 3, 10), row("c", 1, 5)]),
    ];
    assert_eq!(frames("views:*", ticks()).await, expected);
}

#[tokio::test(start_paused = true)]
async fn stats_are_sent_once_a_second() {
    let mut bench = Bench::new();
    let mut client = bench.subscribed("stats").await;
    let mut last = None;
    for (second, waits_us) in [(0, &[1_500][..]), (1, &[900, 40_000]), (2, &[])] {
        waits_us.iter().for_each(|us| bench.ack_latency.record(Duration::from_micros(*us)));
        for time in 1..=10 {
            tokio::time::advance(Duration::from_millis(100)).await;
            bench.tick(5_000 + second * 1_000 + time * 100, vec![]).await;
        }
        let mut received = receive(&mut client);
        assert_eq!(received.len(), 1, "{received:?}");
        let data = received[0].data();
        // The latency histogram is precise to two digits.
        for (key, us) in [("ackP50Ms", waits_us.first()), ("ackP99Ms", waits_us.last())] {
            let is_near =
                |us: &u64| (data[key].as_f64().unwrap() / (*us as f64 / 1e3) - 1.0).abs() < 0.01;
            assert!(us.map_or(data[key].is_null(), is_near), "{key}: {data}");
        }
        last = received.pop();
    }
    let last = last.unwrap();
    let data = last.data();
    assert_eq!(last.head().2, 8_000);
    assert_eq!((&data["lagMs"], &data["streams"]), (&json!(7), &json!(1)));
    assert_eq!((&data["eventsPerSecond"], &data["workers"]), (&json!(0), &json!(1)));
    assert_eq!((&data["processes"], &data["rebuild"]), (&json!(1), &Value::Null));
    assert_eq!(data["rulesId"], rules::id(bench.fake.engine().rules().rules()));
    assert!(data["residentBytes"].as_u64().unwrap() > 1_000_000);
}

#[tokio::test(start_paused = true)]
async fn stats_include_the_progress_of_a_rebuild() {
    let mut bench = Bench::new();
    let mut client = bench.subscribed("stats").await;
    bench.rebuilds.request(Rules { divisor: 50.0, ..Rules::default() });
    let request = bench.rebuilds.next().unwrap();
    bench.rebuilds.update_progress(&request, |progress| {
        (progress.events, progress.clock, progress.read_bytes, progress.bytes) = (7, 4_000, 1, 4);
    });
    for second in [1, 2] {
        tokio::time::advance(Duration::from_secs(1)).await;
        bench.tick(5_000 + second * 1_000, vec![]).await;
        let received = receive(&mut client);
        let error = (second == 2).then_some("the disk is full");
        let id = rules::id(&request.rules);
        let expected =
            json!({"rulesId": id, "share": 0.25, "events": 7, "asOf": 4_000, "error": error});
        assert_eq!(received[0].data()["rebuild"], expected);
        bench.rebuilds.update_progress(&request, |progress| {
            progress.failure = Some("the disk is full".to_owned())
        });
    }
}

#[tokio::test]
async fn other_topics_do_not_wait_for_a_large_snapshot() {
    let mut bench = Bench::new();
    let many = (0..2_000).map(|number| viewed(&format!("p{number:04}"), 1, 0)).collect();
    bench.fake.tick(5_010, many);
    let [mut all, mut one] = ["views:*", "views:p0007"].map(|topics| bench.subscribe(topics, None));
    for client in [&mut all, &mut one] {
        receive(client);
    }
    bench.hub.publish().await;
    assert_eq!(receive(&mut one)[0].data()["rows"][0]["views"], 1);
    assert_eq!(receive(&mut all), []);
    // Changes wait until the snapshot without them is published.
    bench.fake.tick(5_020, vec![viewed("p0007", 4, 9)]);
    bench.hub.publish().await;
    assert_eq!(receive(&mut one)[0].data()["rows"][0]["views"], 5);
    assert_eq!(receive(&mut all), []);
    bench.hub.publish_with_snapshots().await;
    let received = receive(&mut all);
    let [snapshot, delta] = &received[..] else { panic!("{received:?}") };
    let rows = snapshot.data()["rows"].as_array().unwrap();
    assert!(rows.len() == 2_000 && rows.iter().all(|row| row["views"] == 1));
    assert_eq!(delta.head().1, "delta");
    let row = serde_json::json!([{"projectId": "p0007", "views": 5, "durationMs": 9}]);
    assert_eq!(delta.data()["rows"], row);
}
