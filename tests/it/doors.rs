//! The doors that clients of the systems before know, with those systems' own data and plain curl.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use flate2::read::GzDecoder;
use serde_json::{Map, Value, json};

use crate::bans::{RACER, set};
use crate::following::Follower;
use crate::golden::{alleycat, as_doubles};
use crate::restarts::{RACERS, Stopped};
use crate::run::{Workplace, history, sample, view};
use crate::serving::{Serving, ahead, wait_for};

/// Events of a request: some 2 MB.
const LINES: usize = 10_000;

/// What curl was answered.
struct Answer {
    status: u16,
    /// Its lines, names in lower case.
    head: String,
    body: Vec<u8>,
}

impl Answer {
    /// Asks as a shell would, by arguments separated by blanks.
    fn of(serving: &Serving, path: &str, arguments: &str) -> Self {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--include"]).args(arguments.split(' ').filter(|a| !a.is_empty()));
        let output = curl.arg(format!("{}{path}", serving.url)).output().unwrap();
        let end = output.stdout.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(output.stdout[..end].to_vec()).unwrap().to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: output.stdout[end + 4..].to_vec() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(header, _)| *header == name).map(|(_, value)| value)
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A service to which the events of the sample were sent, their races over.
fn of_the_sample(place: &Workplace, events: &Path) -> Serving {
    let mut text = String::new();
    GzDecoder::new(File::open(events).unwrap()).read_to_string(&mut text).unwrap();
    let data = place.path("data");
    let serving = Serving::start(&data, "");
    let lines: Vec<_> = text.lines().collect();
    for lines in lines.chunks(LINES) {
        serving.post(&lines.join("\n"));
    }
    assert_eq!(serving.stop(), 0);
    let serving = Serving::start(&data, &ahead(400));
    wait_for("the races are over", || {
        let races = serving.get("/v1/races")["rows"].clone();
        let races = races.as_array().unwrap();
        races.len() == 18 && races.iter().all(|race| race["state"] == "over")
    });
    serving
}

#[test]
fn alleycats_front_end_finds_its_history_leaderboard_and_races() {
    let Some(golden) = alleycat() else { return };
    let place = Workplace::new();
    let serving = of_the_sample(&place, &golden.join("events.jsonl.gz"));

    for class in 1..=6 {
        let (name, mut answer) = (format!("class-{class}.gz"), None);
        wait_for("the history is published", || {
            let served = Answer::of(&serving, &format!("/history/{name}"), "");
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
        let items = Answer::of(&serving, &format!("/leaderboard?classId={class}"), "").json();
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
        let items = Answer::of(&serving, &format!("/getRaces?classId={class}"), "").json();
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
fn a_history_object_is_sent_again_only_when_it_changed() {
    let place = Workplace::new();
    let data = place.path("data");
    let finished = |second: u16| sample(1, 5, second, 1.0).replace("update", "final");
    // Each time the ride is over at the next start.
    let serving = Serving::start(&data, "");
    serving.post(&finished(10));
    let path = "/history/class-1.gz";
    assert_eq!(Answer::of(&serving, path, "").status, 404);
    assert_eq!(serving.stop(), 0);

    let serving = Serving::start(&data, &ahead(400));
    wait_for("the history is published", || Answer::of(&serving, path, "").status == 200);
    let first = Answer::of(&serving, path, "");
    let etag = first.header("etag").unwrap().to_owned();
    let head = Answer::of(&serving, path, "--head");
    assert_eq!(head.header("etag"), Some(&*etag));
    assert_eq!(head.header("content-length"), Some(&*first.body.len().to_string()));
    let known = |serving: &Serving| {
        let header = format!("if-none-match:{etag}");
        Answer::of(serving, path, &format!("--header {header}"))
    };
    assert_eq!((known(&serving).status, known(&serving).body.len()), (304, 0));
    serving.post(&finished(20).replace("\"raceId\":7", "\"raceId\":8"));
    serving.kill();

    // What was published before is served from the first moment on.
    let serving = Serving::start(&data, &ahead(400));
    assert_eq!(known(&serving).status, 304);
    assert_eq!(serving.stop(), 0);
    let serving = Serving::start(&data, &ahead(800));
    wait_for("the history is published anew", || known(&serving).status == 200);
    let second = known(&serving);
    assert_ne!(second.header("etag"), Some(&*etag));
    place.write("class-1.gz", second.body);
    let seconds: Vec<_> = history(&place.path("class-1.gz")).into_keys().collect();
    assert_eq!(seconds, [10, 20]);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn who_is_banned_is_in_no_history_that_is_served() {
    let stopped = Stopped::of(|_| true);
    // Whether the racer is in what is served now, where anything is.
    let has_racer = |serving: &Serving| {
        let answer = Answer::of(serving, "/history/class-1.gz", "");
        if answer.status == 404 {
            return None;
        }
        assert_eq!(answer.status, 200, "{}", answer.head);
        stopped.place.write("served.gz", answer.body);
        let records = history(&stopped.place.path("served.gz"));
        Some(records.values().any(|racers| racers.contains_key(&RACER)))
    };
    let serving = stopped.start("");
    assert_eq!(has_racer(&serving), Some(true));
    for is_banned in [true, false, true] {
        set(&serving, RACER, is_banned);
        assert_eq!(has_racer(&serving), Some(!is_banned));
    }
    set(&serving, RACER, false);
    assert_eq!(has_racer(&serving), Some(true));
    set(&serving, RACER, true);
    // What is in the directory is of before the ban.
    serving.kill();
    let serving = stopped.start("");
    assert_eq!(has_racer(&serving), Some(false));
    (0..RACERS).for_each(|racer| set(&serving, racer, true));
    assert_eq!(has_racer(&serving), None);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_firebase_client_reads_the_counters() {
    let place = Workplace::new();
    let serving = Serving::start(&place.path("data"), "");
    let view = |uuid: u32, project: &str| {
        json!({
            "event": "view", "uuid": uuid.to_string(), "projectId": project,
            "deviceTimestamp": 1, "durationMs": 10,
        })
    };
    let lines = [view(1, "intro"), view(2, "a/b.c é"), view(3, "intro"), view(3, "intro")];
    let token = serving.post(&lines.map(|line| line.to_string()).join("\n"));
    serving.get(&format!("/v1/projects?after={token}"));

    let intro = r#"{"durationMs":20,"views":2}"#;
    let both = format!(r#"{{"a/b.c é":{{"durationMs":10,"views":1}},"intro":{intro}}}"#);
    for (path, expected) in [
        ("/.json", &*format!(r#"{{"project":{both}}}"#)),
        ("/project.json", &both),
        ("/project/intro.json", intro),
        ("/project/intro/views.json", "2"),
        ("/project/a%2Fb.c%20%C3%A9/durationMs.json", "10"),
        ("/project/a%2Fb.c%20%C3%A9/durationMs/more.json", "null"),
        ("/project/outro.json", "null"),
        ("/project.json?shallow=true", r#"{"a/b.c é":true,"intro":true}"#),
        ("/project/intro.json?shallow=true", r#"{"durationMs":true,"views":true}"#),
        ("/project/intro/views.json?shallow=true", "2"),
        ("/project/intro.json?print=pretty", "{\n  \"durationMs\": 20,\n  \"views\": 2\n}"),
        ("/project/intro.json?auth=any", intro),
    ] {
        let answer = Answer::of(&serving, path, "");
        assert_eq!((answer.status, answer.text()), (200, expected), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    }
    let silent = Answer::of(&serving, "/project/intro.json?print=silent", "");
    assert_eq!((silent.status, silent.text()), (204, ""));

    let path = "/project/intro.json";
    assert_eq!(Answer::of(&serving, path, "").header("etag"), None);
    let told = Answer::of(&serving, path, "--header X-Firebase-ETag:true");
    let etag = format!("--header if-none-match:{}", told.header("etag").unwrap());
    assert_eq!(Answer::of(&serving, path, &etag).status, 304);
    let token = serving.post(&view(4, "intro").to_string());
    serving.get(&format!("/v1/projects?after={token}"));
    let more = Answer::of(&serving, path, &etag);
    assert_eq!((more.status, more.text()), (200, r#"{"durationMs":30,"views":3}"#));

    let refused = Answer::of(&serving, "/project.json?limitToFirst=1", "");
    assert_eq!(refused.status, 400);
    let refused: Value = serde_json::from_str(refused.text()).unwrap();
    assert!(refused["error"].as_str().unwrap().contains("limitToFirst"), "{refused}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_firebase_client_shows_an_odometer_that_is_live() {
    let place = Workplace::new();
    let serving = Serving::start(&place.path("data"), "");
    let paths = ["/project/p/views.json", "/project/p.json", "/project.json", "/.json"];
    let listening = paths.map(|path| Follower::odometer(&format!("{}{path}", serving.url)));
    for (follower, path) in listening.iter().zip(paths) {
        follower.wait_for(path, |state| state.is_object() && state["value"].is_null());
    }
    for views in 1..=3 {
        let token = serving.post(&view(1, &views.to_string()));
        serving.get(&format!("/v1/projects?after={token}"));
        assert_eq!(Answer::of(&serving, "/project/p/views.json", "").json(), views);
        for (follower, path) in listening.iter().zip(paths) {
            let read = Answer::of(&serving, path, "").json();
            follower.wait_for(path, |state| state["value"] == read);
        }
    }
    assert_eq!(serving.stop(), 0);
}
