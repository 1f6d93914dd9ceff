//! The content of the frames of `standings`, `board` and `races`.

use std::collections::BTreeMap;

use serde_json::json;
use velodrome_dataflows::Query;

use super::*;
use crate::live_state::LiveState;

#[tokio::test(start_paused = true)]
async fn standings_send_changed_and_removed_rows_and_a_snapshot_when_the_race_changes() {
    let ticks = vec![
        vec![
            running((2, 9, 12), 4, 25.5),
            running((2, 9, 13), 1, 9.0),
            running((3, 9, 12), 1, 1.0),
        ],
        vec![finished((2, 9, 11))],
        vec![finished((2, 9, 4)), finished((2, 9, 12)), finished((2, 9, 13))],
    ];
    let row = |racer, name: Option<&str>, output: f64, second| json!({"racerId": racer, "name": name, "output": output, "second": second});
    let frame = |as_of, race: Option<u64>, racers, rows: Vec<Value>, gone: &[u32]| {
        json!({
            "topic": "standings:2", "asOf": as_of, "classId": 2, "raceId": race,
            "startedAt": race.map(|_| 2_000), "racers": racers, "rows": rows, "gone": gone,
        })
    };
    // Racer 4 has a name from another ride; racer 11 has none.
    let snapshot =
        vec![row(4, Some("Zoë"), 30.0, 3), row(11, None, 20.0, 2), row(12, Some("Bo"), 20.0, 3)];
    let changed = vec![row(12, Some("Al"), 25.5, 4), row(13, Some("Al"), 9.0, 1)];
    let expected = vec![
        ("snapshot".to_owned(), frame(5_000, Some(9), 3, snapshot, &[])),
        ("delta".to_owned(), frame(5_010, Some(9), 4, changed, &[])),
        ("delta".to_owned(), frame(5_020, Some(9), 3, vec![], &[11])),
        ("snapshot".to_owned(), frame(5_030, None, 0, vec![], &[])),
    ];
    assert_eq!(frames("standings:2", ticks).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_new_name_is_sent_even_if_the_standing_is_unchanged() {
    let of_another_class = vec![LiveChange::Leaderboard(1)];
    let ticks = vec![vec![], of_another_class, vec![LiveChange::Leaderboard(2)]];
    let frames = frames("standings:2", ticks).await;
    let racers = |data: &Value| -> Vec<_> {
        let rows = data["rows"].as_array().unwrap();
        rows.iter().map(|row| row["racerId"].as_u64().unwrap()).collect()
    };
    assert_eq!(frames.len(), 2);
    assert_eq!(racers(&frames[1].1), [4, 11]);
}

#[tokio::test(start_paused = true)]
async fn a_board_sends_a_snapshot_when_its_second_or_its_records_change() {
    let ticks = vec![
        vec![running((1, 8, 1), 2, 5.0)],
        vec![running((1, 8, 1), 2, 6.0)],
        vec![LiveChange::Records(1)],
        vec![LiveChange::Records(2)],
        vec![running((1, 8, 1), 3, 6.0)],
        vec![finished((1, 8, 1))],
    ];
    let frames = frames("board:1", ticks).await;
    assert!(frames.iter().all(|(event, _)| event == "snapshot"));
    let heads = frames.iter().map(|(_, data)| (data["asOf"].as_u64().unwrap(), &data["second"]));
    let (none, two, three) = (json!(null), json!(2), json!(3));
    let expected = [(5_000, &none), (5_010, &two), (5_030, &two), (5_050, &three), (5_060, &none)];
    assert_eq!(heads.collect::<Vec<_>>(), expected);
    let none = json!({
        "topic": "board:1", "asOf": 5_000, "classId": 1, "raceId": null, "second": null,
        "racers": 0, "rows": [],
    });
    assert_eq!(frames[0].1, none);
    let board = &frames[1].1;
    assert_eq!((&board["raceId"], &board["racers"]), (&json!(8), &json!(5)));
    let first = json!({"rank": 1, "racerId": 4, "name": "Zoë", "output": 30.0});
    assert_eq!((&board["rows"][0], &board["rows"][2]["rank"]), (&first, &json!(2)));
}

#[tokio::test(start_paused = true)]
async fn clients_of_one_board_share_its_query() {
    let mut bench = Bench::new();
    let _clients = [bench.subscribe("board:1", None), bench.subscribe("board:1,board:2", None)];
    for second in 1..=2 {
        bench.tick(5_000 + u64::from(second), vec![running((1, 8, 1), second, 5.0)]).await;
    }
    let boards = |query: &Query| matches!(query, Query::Board(1, _));
    assert_eq!(bench.fake.queries().into_iter().filter(boards).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn races_are_sent_when_they_begin_end_and_expire() {
    let expired = |racer| LiveChange::Stage((1, 7, racer), Stage::Expired);
    let ticks = vec![
        vec![running((1, 8, 1), 1, 5.0)],
        vec![running((1, 8, 1), 2, 5.0)],
        vec![finished((1, 8, 1)), expired(1), expired(2), expired(3)],
    ];
    let all = frames("races", ticks.clone()).await;
    let rows = |frames: &[(String, Value)]| -> Vec<_> {
        let row = |row: &Value| format!("{} {} {}", row["classId"], row["raceId"], row["state"]);
        let rows = |data: &Value| data["rows"].as_array().unwrap().iter().map(row).collect();
        frames.iter().map(|(event, data)| (event.clone(), rows(data))).collect::<Vec<(_, Vec<_>)>>()
    };
    let (eight_running, eight) = (r#"1 8 "running""#, r#"1 8 "over""#);
    let (seven, nine) = (r#"1 7 "over""#, r#"2 9 "running""#);
    let frame = |event: &str, rows: &[&str]| {
        (event.to_owned(), rows.iter().map(|row| (*row).to_owned()).collect())
    };
    let expected = [
        frame("snapshot", &[nine, seven]),
        frame("delta", &[eight_running]),
        frame("delta", &[eight]),
    ];
    assert_eq!(rows(&all), expected);
    assert_eq!(all[2].1["gone"], json!([{"classId": 1, "raceId": 7}]));
    let own = frames("races:2", ticks).await;
    assert_eq!(rows(&own), [frame("snapshot", &[nine])]);
}

#[tokio::test(start_paused = true)]
async fn a_switch_to_new_rules_is_sent_as_changed_rows() {
    let mut bench = Bench::new();
    let mut client = bench.subscribed("standings:2,races,board:2").await;
    // The new rules exclude racer 11 and race 7, and racer 4 has a higher output.
    let next = LiveState::default();
    next.apply(5_000, vec![running((2, 9, 4), 3, 99.5), running((2, 9, 12), 3, 20.0)]);
    bench.fake.live_state().replace_with(&next, 5_005);
    bench.tick(5_010, vec![]).await;
    let by_topic: BTreeMap<_, _> = receive(&mut client)
        .iter()
        .map(|sent| (sent.data()["topic"].as_str().unwrap().to_owned(), sent.data().clone()))
        .collect();
    let standings = &by_topic["standings:2"];
    let outputs: BTreeMap<_, _> = standings["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["racerId"].as_u64().unwrap(), row["output"].as_f64().unwrap()))
        .collect();
    assert_eq!(outputs, [(4, 99.5), (12, 20.0)].into());
    assert_eq!((&standings["gone"], &standings["racers"]), (&json!([11]), &json!(2)));
    let races = &by_topic["races"];
    assert_eq!(races["rows"][0]["racers"], 2);
    assert_eq!(races["gone"], json!([{"classId": 1, "raceId": 7}]));
    // The new rules change the board although race and second are the same.
    assert!(by_topic.contains_key("board:2"), "{by_topic:?}");
}
