//! Keep-alives, the end of streams, the limit of topics, and failed frames.

use axum::response::IntoResponse;

use super::*;

#[tokio::test(start_paused = true)]
async fn an_idle_client_gets_a_comment_every_15_seconds() {
    let mut bench = Bench::new();
    let mut client = bench.subscribed("standings:2").await;
    for _ in 0..2 {
        let began = Instant::now();
        let chunk = client.next_chunk().await.unwrap();
        assert_eq!((&chunk[..], began.elapsed().as_secs()), (&b": \n\n"[..], 15));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_token_expires_even_with_frames_to_send() {
    let mut bench = Bench::new();
    let _other = bench.subscribed("standings:2").await;
    let expires = Instant::now() + Duration::from_secs(1);
    let topics = Topic::parse_list("standings:2").unwrap();
    let broker = Arc::clone(&bench.broker);
    let mut client =
        Subscription::new(broker, CLIENT, topics, None, Some(expires), bench.no_notice()).unwrap();
    receive(&mut client);
    assert_eq!(client.next_chunk().await, None);
    assert_eq!(Instant::now(), expires);
    run_ticks(&mut bench, [5_010]).await;
    assert_eq!(client.next_chunk().now_or_never(), Some(None));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_all_streams_and_rejects_new_ones() {
    let mut bench = Bench::new();
    let mut client = bench.subscribed("standings:2,races").await;
    let ends = tokio::spawn(async move { client.next_chunk().await });
    tokio::task::yield_now().await;
    bench.broker.close();
    assert_eq!(ends.await.unwrap(), None);
    let topics = Topic::parse_list("races").unwrap();
    let rejected =
        Subscription::new(Arc::clone(&bench.broker), CLIENT, topics, None, None, bench.no_notice());
    assert_eq!(rejected.err().unwrap().into_response().status().as_u16(), 503);
}

#[tokio::test(start_paused = true)]
async fn the_streams_of_all_projects_can_be_ended_without_the_others() {
    let mut bench = Bench::new();
    let mut all = bench.subscribed("races,views:*").await;
    let mut one = bench.subscribed("races,views:a").await;
    bench.broker.end_all_projects();
    assert_eq!(all.next_chunk().now_or_never(), Some(None));
    bench.tick(5_010, vec![viewed("a", 1, 0)]).await;
    assert_eq!(receive(&mut one).len(), 1);
    drop(all);
    assert_eq!(bench.broker.streams(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_leaves_topics_to_others() {
    let bench = Bench::new();
    let subscribe = |client: u64, topics: String| {
        let topics = Topic::parse_list(&topics).unwrap();
        let client = Client::Token(client);
        Subscription::new(Arc::clone(&bench.broker), client, topics, None, None, bench.no_notice())
    };
    let boards = |client, first| {
        let one = |class| subscribe(client, format!("board:{class}")).ok();
        (first..).map_while(one).collect::<Vec<_>>()
    };
    let most = boards(1, 0);
    assert_eq!(most.len(), 5_000);
    assert_eq!(boards(2, 10_000).len(), 2_500);
    let _others = boards(2, 10_000);
    assert!(subscribe(3, "standings:1,races,stats".to_owned()).is_ok());
    // What is active needs no room.
    assert!(subscribe(1, "board:10000".to_owned()).is_ok());
    assert!(subscribe(1, "board:9999".to_owned()).is_err());
    drop(most);
    assert!(subscribe(1, "board:9999".to_owned()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn topics_without_clients_make_room_at_the_limit() {
    let bench = Bench::new();
    let subscribe = |first: u32, count: u32| -> Vec<_> {
        let topics = (first..first + count).map(|class| format!("board:{class}"));
        let topics: Vec<_> = topics.collect();
        topics.chunks(16).map(|some| bench.subscribe(&some.join(","), None)).collect()
    };
    let _most = subscribe(0, 9_984);
    let rest = subscribe(20_000, 16);
    let one_more = || {
        let topics = Topic::parse_list("stats").unwrap();
        Subscription::new(Arc::clone(&bench.broker), CLIENT, topics, None, None, bench.no_notice())
    };
    let rejected = one_more().err().unwrap().into_response();
    assert_eq!(
        (rejected.status().as_u16(), rejected.headers()["retry-after"].as_bytes()),
        (503, &b"1"[..])
    );
    // An active topic needs no room.
    drop(bench.subscribe("board:20000", None));
    drop(rest);
    assert!(one_more().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_failed_frame_is_replaced_by_a_snapshot_when_the_engine_answers_again() {
    let mut bench = Bench::new();
    let mut client = bench.subscribed("standings:2").await;
    let mut other = bench.subscribed("races").await;
    // The row of a racer without a name needs the engine.
    let nameless = Standing { second: 9, output: Output(1.0), name: None, started_at: 2_000 };
    let changes = vec![
        LiveChange::Stage((2, 9, 11), Stage::Running(nameless, Vec::new())),
        finished((2, 9, 12)),
        running((2, 9, 99), 1, 1.0),
    ];
    bench.fake.drop_replies(true);
    bench.tick(5_010, changes).await;
    assert_eq!((receive(&mut client).len(), receive(&mut other).len()), (0, 1));
    bench.fake.drop_replies(false);
    bench.tick(5_020, vec![]).await;
    let received = receive(&mut client);
    assert_eq!(heads(&received), [(Some("e-5020"), "snapshot", 5_020)]);
    assert_eq!(received[0].data()["racers"], 3);
}
