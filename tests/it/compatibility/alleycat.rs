//! The endpoints of Alleycat.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::{Map, Value, json};

use super::Answer;
use crate::bans::{BANNED_RACER, set};
use crate::golden::{alleycat, as_doubles};
use crate::restarts::{RACERS, StoppedService};
use crate::run::{Workplace, history, sample};
use crate::serving::{ServiceProcess, clock_ahead, wait_for};

/// Events in a request: about 2 MB.
const LINES: usize = 10_000;

/// A service with all events of the Alleycat sample, whose races are over.
fn start_with_sample(place: &Workplace, events: &Path) -> ServiceProcess {
    let mut text = String::new();
    GzDecoder::new(File::open(events).unwrap()).read_to_string(&mut text).unwrap();
    let data = place.path("data");
    let serving = ServiceProcess::start(&data, "");
    let lines: Vec<_> = text.lines().collect();
    for lines in lines.chunks(LINES) {
        serving.post(&lines.join("\n"));
    }
    assert_eq!(serving.stop(), 0);
    let serving = ServiceProcess::start(&data, &clock_ahead(400));
    wait_for("the races are over", || {
        let races = serving.get("/v1/races")["rows"].clone();
        let races = races.as_array().unwrap();
        races.len() == 18 && races.iter().all(|race| race["state"] == "over")
    });
    serving
}

#[test]
fn serves_history_leaderboard_and_races_to_the_front_end_of_alleycat() {
    let golden = alleycat();
    let place = Workplace::new();
    let serving = start_with_sample(&place, &golden.join("events.jsonl.gz"));

    for class in 1..=6 {
        let (name, mut answer) = (format!("class-{class}.gz"), None);
        wait_for("the history is published", || {
            let served = Answer::get(&serving, &format!("/history/{name}"), "");
            let is_there = served.status == 200;
            answer = Some(served);
            is_there
        });
        let answer = answer.unwrap();
        assert_eq!(answer.header("content-type"), Some("application/gzip"));
        assert_eq!(answer.header("content-encoding"), None);
        place.write(&name, answer.body);
        assert_eq!(history(&place.path(&name)), history(&golden.join(&name)), "{name}");
    }

    let leaderboards = (1..=6).map(|class| {
        let items = Answer::get(&serving, &format!("/leaderboard?classId={class}"), "").json();
        let items = items.as_array().unwrap().clone();
        assert!(items.iter().all(|item| item["ts"].as_u64().unwrap() > 1_620_000_000_000));
        assert!(items.is_sorted_by(|a, b| a["GSI"].as_f64() >= b["GSI"].as_f64()));
        let of_racer = |item: &Value| {
            assert_eq!(item["PK"], format!("class-{class}"));
            let racer = item["SK"].as_str().unwrap().strip_prefix("racer-").unwrap().to_owned();
            (racer, json!({"output": item["GSI"], "raceId": item["raceId"]}))
        };
        let by_racer: Map<_, _> = items.iter().map(of_racer).collect();
        (format!("class-{class}"), Value::from(by_racer))
    });
    let leaderboards = Value::from(leaderboards.collect::<Map<_, _>>());
    let expected = std::fs::read(golden.join("leaderboard.json")).unwrap();
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    assert_eq!(as_doubles(&leaderboards), as_doubles(&expected));

    for class in 1..=6 {
        let items = Answer::get(&serving, &format!("/getRaces?classId={class}"), "").json();
        let listed = serving.get(&format!("/v1/races?classId={class}"))["rows"].clone();
        let races = listed.as_array().unwrap().iter().rev().map(|race| {
            let id = &race["raceId"];
            let rows = serving.get(&format!("/v1/races/{class}/{id}/results?limit=1000"));
            let rows = rows["rows"].as_array().unwrap().iter();
            let finals = rows.filter(|row| !row["final"].is_null());
            let finals = finals.map(|row| (row["racerId"].as_u64().unwrap(), row["final"].clone()));
            let finals: BTreeMap<_, _> = finals.collect();
            assert!(!finals.is_empty());
            json!({
                "PK": format!("race-{id}"), "SK": "results", "GSI": class,
                "results": serde_json::to_string(&finals).unwrap(), "ts": race["startedAt"],
            })
        });
        assert_eq!(items, Value::from(races.collect::<Vec<_>>()));
    }
    assert_eq!(serving.stop(), 0);
}

#[test]
fn sends_a_history_object_again_only_if_it_changed() {
    let place = Workplace::new();
    let data = place.path("data");
    let finished = |second: u16| sample(1, 5, second, 1.0).replace("update", "final");
    // The ride finishes at the next start, because its clock is ahead.
    let serving = ServiceProcess::start(&data, "");
    serving.post(&finished(10));
    let path = "/history/class-1.gz";
    assert_eq!(Answer::get(&serving, path, "").status, 404);
    assert_eq!(serving.stop(), 0);

    let serving = ServiceProcess::start(&data, &clock_ahead(400));
    wait_for("the history is published", || Answer::get(&serving, path, "").status == 200);
    let first = Answer::get(&serving, path, "");
    let etag = first.header("etag").unwrap().to_owned();
    let head = Answer::get(&serving, path, "--head");
    assert_eq!(head.header("etag"), Some(&*etag));
    assert_eq!(head.header("content-length"), Some(&*first.body.len().to_string()));
    let known = |serving: &ServiceProcess| {
        let header = format!("if-none-match:{etag}");
        Answer::get(serving, path, &format!("--header {header}"))
    };
    assert_eq!((known(&serving).status, known(&serving).body.len()), (304, 0));
    serving.post(&finished(20).replace("\"raceId\":7", "\"raceId\":8"));
    serving.kill();

    // The object that was published earlier is served at once.
    let serving = ServiceProcess::start(&data, &clock_ahead(400));
    assert_eq!(known(&serving).status, 304);
    assert_eq!(serving.stop(), 0);
    let serving = ServiceProcess::start(&data, &clock_ahead(800));
    wait_for("the history is published again", || known(&serving).status == 200);
    let second = known(&serving);
    assert_ne!(second.header("etag"), Some(&*etag));
    place.write("class-1.gz", second.body);
    let seconds: Vec<_> = history(&place.path("class-1.gz")).into_keys().collect();
    assert_eq!(seconds, [10, 20]);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn no_history_object_contains_a_banned_racer() {
    let stopped = StoppedService::with_racers(|_| true);
    // Whether the object contains the racer; `None` if there is no object.
    let has_racer = |serving: &ServiceProcess| {
        let answer = Answer::get(serving, "/history/class-1.gz", "");
        if answer.status == 404 {
            return None;
        }
        assert_eq!(answer.status, 200, "{}", answer.head);
        stopped.place.write("served.gz", answer.body);
        let records = history(&stopped.place.path("served.gz"));
        Some(records.values().any(|racers| racers.contains_key(&BANNED_RACER)))
    };
    let serving = stopped.start("");
    assert_eq!(has_racer(&serving), Some(true));
    for is_banned in [true, false, true] {
        set(&serving, BANNED_RACER, is_banned);
        assert_eq!(has_racer(&serving), Some(!is_banned));
    }
    set(&serving, BANNED_RACER, false);
    assert_eq!(has_racer(&serving), Some(true));
    set(&serving, BANNED_RACER, true);
    // The object in the directory is from before the ban.
    serving.kill();
    let serving = stopped.start("");
    assert_eq!(has_racer(&serving), Some(false));
    (0..RACERS).for_each(|racer| set(&serving, racer, true));
    assert_eq!(has_racer(&serving), None);
    assert_eq!(serving.stop(), 0);
}
