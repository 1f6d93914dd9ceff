//! The contents of the frames of each topic.

use std::collections::BTreeMap;

use serde_json::json;
use velodrome_dataflows::{Query, Rules, ViewCount};

use super::*;
use crate::live_state::LiveState;
use crate::rules;

/// Returns the first frame of a topic and the frames of each tick, as event name and data.
async fn progress(topic: &str, ticks: Vec<Vec<LiveChange>>) -> Vec<(String, Value)> {
    let mut bench = Bench::new();
    let mut client = bench.follow(topic, None);
    take(&mut client);
    bench.hub.tick().await;
    let mut all = take(&mut client);
    for (time, changes) in (5_010..).step_by(10).zip(ticks) {
        bench.tick(time, changes).await;
        all.append(&mut take(&mut client));
    }
    let parts = |sent: Sent| match sent {
        Sent::Event { event, data, .. } => (event, data),
        Sent::Other(text) => panic!("{text}"),
    };
    all.into_iter().map(parts).collect()
}

fn over(ride: RideKey) -> LiveChange {
    LiveChange::Stage(ride, Stage::Finished { started_at: 2_000 })
}

fn views(project: &str, views: u64) -> LiveChange {
    LiveChange::Views(project.into(), ViewCount { views, duration_ms: 5 })
}

#[tokio::test(start_paused = true)]
async fn standings_send_changed_and_gone_rows_and_a_snapshot_when_the_race_changes() {
    let ticks = vec![
        vec![rides((2, 9, 12), 4, 25.5), rides((2, 9, 13), 1, 9.0), rides((3, 9, 12), 1, 1.0)],
        vec![over((2, 9, 11))],
        vec![over((2, 9, 4)), over((2, 9, 12)), over((2, 9, 13))],
    ];
    let row = |racer, name: Option<&str>, output: f64, second| json!({"racerId": racer, "name": name, "output": output, "second": second});
    let frame = |as_of, race: Option<u64>, racers, rows: Vec<Value>, gone: &[u32]| {
        json!({
            "topic": "standings:2", "asOf": as_of, "classId": 2, "raceId": race,
            "startedAt": race.map(|_| 2_000), "racers": racers, "rows": rows, "gone": gone,
        })
    };
    // Racer 4 has a name from another ride; racer 11 has none.
    let whole =
        vec![row(4, Some("Zoë"), 30.0, 3), row(11, None, 20.0, 2), row(12, Some("Bo"), 20.0, 3)];
    let changed = vec![row(12, Some("Al"), 25.5, 4), row(13, Some("Al"), 9.0, 1)];
    let expected = vec![
        ("snapshot".to_owned(), frame(5_000, Some(9), 3, whole, &[])),
        ("delta".to_owned(), frame(5_010, Some(9), 4, changed, &[])),
        ("delta".to_owned(), frame(5_020, Some(9), 3, vec![], &[11])),
        ("snapshot".to_owned(), frame(5_030, None, 0, vec![], &[])),
    ];
    assert_eq!(progress("standings:2", ticks).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_name_change_is_sent_even_if_the_standing_is_unchanged() {
    let progress = progress("standings:2", vec![vec![], vec![LiveChange::Leaderboard(1)]]).await;
    let racers = |data: &Value| -> Vec<_> {
        let rows = data["rows"].as_array().unwrap();
        rows.iter().map(|row| row["racerId"].as_u64().unwrap()).collect()
    };
    assert_eq!(progress.len(), 2);
    assert_eq!(racers(&progress[1].1), [4, 11]);
}

#[tokio::test(start_paused = true)]
async fn a_board_sends_a_snapshot_when_its_second_or_its_records_change() {
    let ticks = vec![
        vec![rides((1, 8, 1), 2, 5.0)],
        vec![rides((1, 8, 1), 2, 6.0)],
        vec![LiveChange::Records(1)],
        vec![LiveChange::Records(2)],
        vec![rides((1, 8, 1), 3, 6.0)],
        vec![over((1, 8, 1))],
    ];
    let progress = progress("board:1", ticks).await;
    assert!(progress.iter().all(|(event, _)| event == "snapshot"));
    let heads = progress.iter().map(|(_, data)| (data["asOf"].as_u64().unwrap(), &data["second"]));
    let (none, two, three) = (json!(null), json!(2), json!(3));
    let expected = [(5_000, &none), (5_010, &two), (5_030, &two), (5_050, &three), (5_060, &none)];
    assert_eq!(heads.collect::<Vec<_>>(), expected);
    let none = json!({
        "topic": "board:1", "asOf": 5_000, "classId": 1, "raceId": null, "second": null,
        "racers": 0, "rows": [],
    });
    assert_eq!(progress[0].1, none);
    let board = &progress[1].1;
    assert_eq!((&board["raceId"], &board["racers"]), (&json!(8), &json!(5)));
    let first = json!({"rank": 1, "racerId": 4, "name": "Zoë", "output": 30.0});
    assert_eq!((&board["rows"][0], &board["rows"][2]["rank"]), (&first, &json!(2)));
}

#[tokio::test(start_paused = true)]
async fn clients_of_one_board_share_its_query() {
    let mut bench = Bench::new();
    let _clients = [bench.follow("board:1", None), bench.follow("board:1,board:2", None)];
    for second in 1..=2 {
        bench.tick(5_000 + u64::from(second), vec![rides((1, 8, 1), second, 5.0)]).await;
    }
    let boards = |query: &Query| matches!(query, Query::Board(1, _));
    assert_eq!(bench.fake.queries().into_iter().filter(boards).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn views_of_one_project_or_of_all_are_sent_as_they_change() {
    let ticks = || vec![vec![views("a,b", 2)], vec![views("c", 1), views("a,b", 1)], vec![]];
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
    assert_eq!(progress("views:%61%2cb", ticks()).await, expected);
    let expected = vec![
        frame("snapshot", "views:*", 5_000, vec![]),
        frame("delta", "views:*", 5_010, vec![row("a,b", 2, 5)]),
        frame("delta", "views:*", 5_020, vec![row("a,b", 3, 10), row("c", 1, 5)]),
    ];
    assert_eq!(progress("views:*", ticks()).await, expected);
}

#[tokio::test(start_paused = true)]
async fn races_are_sent_when_they_begin_end_and_expire() {
    let expired = |racer| LiveChange::Stage((1, 7, racer), Stage::Expired);
    let ticks = vec![
        vec![rides((1, 8, 1), 1, 5.0)],
        vec![rides((1, 8, 1), 2, 5.0)],
        vec![over((1, 8, 1)), expired(1), expired(2), expired(3)],
    ];
    let all = progress("races", ticks.clone()).await;
    let rows = |progress: &[(String, Value)]| -> Vec<_> {
        let row = |row: &Value| format!("{} {} {}", row["classId"], row["raceId"], row["state"]);
        let rows = |data: &Value| data["rows"].as_array().unwrap().iter().map(row).collect();
        progress
            .iter()
            .map(|(event, data)| (event.clone(), rows(data)))
            .collect::<Vec<(_, Vec<_>)>>()
    };
    let (running, over) = (r#"1 8 "running""#, r#"1 8 "over""#);
    let (seven, nine) = (r#"1 7 "over""#, r#"2 9 "running""#);
    let frame = |event: &str, rows: &[&str]| {
        (event.to_owned(), rows.iter().map(|row| (*row).to_owned()).collect())
    };
    let expected =
        [frame("snapshot", &[nine, seven]), frame("delta", &[running]), frame("delta", &[over])];
    assert_eq!(rows(&all), expected);
    assert_eq!(all[2].1["gone"], json!([{"classId": 1, "raceId": 7}]));
    let own = progress("races:2", ticks).await;
    assert_eq!(rows(&own), [frame("snapshot", &[nine])]);
}

#[tokio::test(start_paused = true)]
async fn stats_are_sent_once_a_second() {
    let mut bench = Bench::new();
    let mut client = bench.followed("stats").await;
    let mut last = None;
    for (second, waits_us) in [(0, &[1_500][..]), (1, &[900, 40_000]), (2, &[])] {
        waits_us.iter().for_each(|us| bench.ack_latency.record(Duration::from_micros(*us)));
        for time in 1..=10 {
            tokio::time::advance(Duration::from_millis(100)).await;
            bench.tick(5_000 + second * 1_000 + time * 100, vec![]).await;
        }
        let mut progress = take(&mut client);
        assert_eq!(progress.len(), 1, "{progress:?}");
        let data = progress[0].data();
        // The latency histogram is precise to two digits.
        for (key, us) in [("ackP50Ms", waits_us.first()), ("ackP99Ms", waits_us.last())] {
            let is_near =
                |us: &u64| (data[key].as_f64().unwrap() / (*us as f64 / 1e3) - 1.0).abs() < 0.01;
            assert!(us.map_or(data[key].is_null(), is_near), "{key}: {data}");
        }
        last = progress.pop();
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
    let mut client = bench.followed("stats").await;
    bench.rebuilds.request(Rules { divisor: 50.0, ..Rules::default() });
    let request = bench.rebuilds.next().unwrap();
    bench.rebuilds.update_progress(&request, |progress| {
        (progress.events, progress.clock, progress.read_bytes, progress.bytes) = (7, 4_000, 1, 4);
    });
    for second in [1, 2] {
        tokio::time::advance(Duration::from_secs(1)).await;
        bench.tick(5_000 + second * 1_000, vec![]).await;
        let progress = take(&mut client);
        let error = (second == 2).then_some("the disk is full");
        let id = rules::id(&request.rules);
        let expected =
            json!({"rulesId": id, "share": 0.25, "events": 7, "asOf": 4_000, "error": error});
        assert_eq!(progress[0].data()["rebuild"], expected);
        bench.rebuilds.update_progress(&request, |progress| {
            progress.failure = Some("the disk is full".to_owned())
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_switch_to_new_rules_is_sent_as_changed_rows() {
    let mut bench = Bench::new();
    let mut client = bench.followed("standings:2,races,board:2").await;
    // The new rules exclude racer 11 and race 7, and racer 4 has a higher output.
    let next = LiveState::default();
    next.apply(5_000, vec![rides((2, 9, 4), 3, 99.5), rides((2, 9, 12), 3, 20.0)]);
    bench.fake.live_state().replace_with(&next, 5_005);
    bench.tick(5_010, vec![]).await;
    let progress: BTreeMap<_, _> = take(&mut client)
        .iter()
        .map(|sent| (sent.data()["topic"].as_str().unwrap().to_owned(), sent.data().clone()))
        .collect();
    let standings = &progress["standings:2"];
    let outputs: BTreeMap<_, _> = standings["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["racerId"].as_u64().unwrap(), row["output"].as_f64().unwrap()))
        .collect();
    assert_eq!(outputs, [(4, 99.5), (12, 20.0)].into());
    assert_eq!((&standings["gone"], &standings["racers"]), (&json!([11]), &json!(2)));
    let races = &progress["races"];
    assert_eq!(races["rows"][0]["racers"], 2);
    assert_eq!(races["gone"], json!([{"classId": 1, "raceId": 7}]));
    // The board changes although race and second are the same.
    assert!(progress.contains_key("board:2"), "{progress:?}");
}
