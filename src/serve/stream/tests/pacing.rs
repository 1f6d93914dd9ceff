//! The time between frames, which grows with the number of clients and the size of frames.

use super::*;

#[tokio::test(start_paused = true)]
async fn frames_are_rarer_with_more_clients() {
    let mut bench = Bench::new();
    let mut client = bench.subscribed("standings:2").await;
    let others: Vec<_> = (0..4_999).map(|_| bench.subscribe("standings:2", None)).collect();
    let mut received = Vec::new();
    for time in (5_010..=6_000).step_by(10) {
        run_ticks(&mut bench, [time]).await;
        received.append(&mut receive(&mut client));
    }
    // 5,000 clients, 20 us and 1 ns a byte for each, in ticks of 10 ms.
    assert_eq!(received.len(), 9);
    drop(others);
    run_ticks(&mut bench, [6_010, 6_020]).await;
    assert_eq!(receive(&mut client).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn large_frames_are_rarer() {
    let mut bench = Bench::new();
    let mut client = bench.subscribed("standings:2").await;
    let _others: Vec<_> = (0..999).map(|_| bench.subscribe("standings:2", None)).collect();
    let mut received = Vec::new();
    for time in (5_010..=6_000).step_by(10) {
        let all = (1..=1_000).map(|racer| running((2, 9, racer), 1, time as f64));
        bench.tick(time, all.collect()).await;
        received.append(&mut receive(&mut client));
    }
    // 1,000 clients, 20 us for each, and 1 ns for each of about 60,000 bytes.
    assert!((11..=14).contains(&received.len()), "{}", received.len());
}

#[tokio::test(start_paused = true)]
async fn a_frame_reports_all_changes_since_the_previous_one() {
    let mut bench = Bench::new();
    let mut client = bench.subscribed("standings:2").await;
    let _others: Vec<_> = (0..1_999).map(|_| bench.subscribe("standings:2", None)).collect();
    bench.tick(5_010, vec![running((2, 9, 12), 8, 1.0)]).await;
    assert_eq!(receive(&mut client), []);
    let next_due = bench.tick(5_020, vec![running((2, 9, 11), 9, 1.0)]).await;
    assert_eq!((next_due - Instant::now()).as_millis(), 20);
    tokio::time::sleep_until(next_due).await;
    bench.hub.publish().await;
    let received = receive(&mut client);
    assert_eq!(heads(&received), [(Some("e-5020"), "delta", 5_020)]);
    assert_eq!(received[0].data()["rows"].as_array().unwrap().len(), 2);
}
