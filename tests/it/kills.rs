//! The service under `kill -9`: it has each acknowledged event exactly once, and nothing else.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use flate2::read::GzDecoder;
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::Value;

use crate::golden::alleycat;
use crate::run::{Workplace, contents};
use crate::serving::{ServiceProcess, get, now_ms, post, wait_for};

const CLIENTS: usize = 8;

/// The speed of the service's clock. A race finishes 6 minutes after its events arrive, by that clock.
const SPEED: u32 = 20;

/// The number of kills: few by default, more in a soak test.
fn kills() -> usize {
    env::var("VELODROME_TEST_KILLS").map_or(3, |kills| kills.parse().unwrap())
}

#[test]
fn results_after_kills_equal_a_replay_byte_for_byte() {
    let golden = alleycat().join("events.jsonl.gz");
    let seed = env::var("VELODROME_TEST_SEED").map_or(1, |seed| seed.parse().unwrap());
    let (kills, mut random) = (kills(), Pcg64::seed_from_u64(seed));
    eprintln!("{kills} kills, seed {seed}");
    let (place, events) = (Workplace::new(), events(&golden, &mut random));
    place.write("events.jsonl", events.join("\n"));
    let replayed = place.run("replay events.jsonl --out expected");
    assert_eq!(replayed.code, 0, "{}", replayed.stderr);

    let since = now_ms();
    let arguments =
        format!("--clock-speed {SPEED} --clock-from {since} --checkpoint-seconds 1 --workers 2");
    let start = || ServiceProcess::start(&place.path("data"), &arguments);
    let mut serving = start();
    let (url, acknowledged) = (Mutex::new(serving.url.clone()), AtomicUsize::new(0));
    let mut moments: Vec<_> = (0..kills).map(|_| random.random_range(0..events.len())).collect();
    moments.sort_unstable();
    thread::scope(|scope| {
        for lines in events.chunks(events.len().div_ceil(CLIENTS)) {
            let (url, acknowledged) = (&url, &acknowledged);
            let random = Pcg64::seed_from_u64(random.next_u64());
            // The pauses prolong the run, so that kills hit checkpoints, ends of rides and repairs too.
            let pause_ms = 100 * kills as u64 + 1;
            scope.spawn(move || client(lines, url, acknowledged, random, pause_ms));
        }
        for moment in moments {
            wait_for("events are acknowledged", || acknowledged.load(Ordering::Relaxed) > moment);
            thread::sleep(Duration::from_millis(random.random_range(0..50)));
            // The killed process must end before the next one locks the directory, so `kill` consumes
            // it.
            let killed = std::mem::replace(&mut serving, ServiceProcess::without_process());
            killed.kill();
            serving = start();
            url.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&serving.url);
        }
    });
    assert_eq!(acknowledged.into_inner(), events.len());

    wait_for("all races are finished", || {
        let races = serving.get("/v1/races?limit=1000");
        races["rows"].as_array().unwrap().iter().all(|race| race["state"] == "over")
    });
    let expected = |name: &str| fs::read_to_string(place.path("expected").join(name)).unwrap();
    assert!(results(&serving) == expected("results.jsonl"), "results");
    assert!(leaderboard(&serving) == expected("leaderboard.json"), "leaderboard");
    assert!(views(&serving) == expected("views.json"), "views");
    assert_eq!(serving.stop(), 0);
    let published = fs::read_dir(place.path("data/history")).unwrap();
    let published = published.map(|entry| entry.unwrap().path());
    let published: BTreeMap<_, _> = published
        .map(|path| (path.file_name().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect();
    let history = contents(&place.path("expected")).into_iter();
    let history: BTreeMap<_, _> = history
        .filter(|(path, _)| path.starts_with("history"))
        .map(|(path, bytes)| (path.file_name().unwrap().to_owned(), bytes))
        .collect();
    assert!(published == history, "history objects");

    // A replay of the archive and the segments has the same results.
    let again = place.replay_stored("data", "again");
    assert_eq!(again.code, 0, "{}", again.stderr);
    let verified = place.run("verify expected again");
    assert_eq!(verified.code, 0, "{}", verified.stdout);
}

/// The events of the sample data and 3,000 views, a tenth of them duplicates, in random order.
fn events(golden: &Path, random: &mut Pcg64) -> Vec<String> {
    let mut text = String::new();
    GzDecoder::new(fs::File::open(golden).unwrap()).read_to_string(&mut text).unwrap();
    let mut events: Vec<_> = text.lines().map(str::to_owned).collect();
    for view in 0..3_000 {
        // The last of ten views is a duplicate of the ninth.
        let uuid = view - view % 10 / 9;
        let (project, duration) = (uuid % 7, uuid);
        let kind = if uuid % 3 == 0 { "view" } else { "watch" };
        events.push(format!(
            r#"{{"event":"{kind}","uuid":"{uuid}","projectId":"p{project}","durationMs":{duration},"deviceTimestamp":1620240001114}}"#
        ));
    }
    for at in (1..events.len()).rev() {
        events.swap(at, random.random_range(0..=at));
    }
    events
}

/// Posts all lines in batches of random size, each until it is acknowledged.
fn client(
    lines: &[String],
    url: &Mutex<String>,
    acknowledged: &AtomicUsize,
    mut random: Pcg64,
    pause_ms: u64,
) {
    let mut rest = lines;
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(random.random_range(1..=400).min(rest.len()));
        rest = after;
        let body = batch.join("\n");
        wait_for("a batch is acknowledged", || {
            let url = url.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match post(&url, &body) {
                Ok((200, answer)) => {
                    assert_eq!(answer["accepted"], batch.len(), "{answer}");
                    true
                }
                Ok((503 | 429, _)) | Err(_) => false,
                Ok((status, answer)) => panic!("{status}: {answer}"),
            }
        });
        acknowledged.fetch_add(batch.len(), Ordering::Relaxed);
        thread::sleep(Duration::from_millis(random.random_range(0..pause_ms)));
    }
}

/// All rows of a list, from all its pages.
fn rows(serving: &ServiceProcess, path: &str) -> Vec<Value> {
    let (mut rows, mut next) = (Vec::new(), String::new());
    loop {
        let (status, page) = get(&format!("{}{path}limit=1000{next}", serving.url));
        assert_eq!(status, 200, "{path}: {page}");
        rows.extend(page["rows"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return rows,
        }
    }
}

/// The service's results in the format of a replay's `results.jsonl`.
pub(crate) fn results(serving: &ServiceProcess) -> String {
    let mut lines = BTreeMap::new();
    for race in rows(serving, "/v1/races?") {
        let (class, race) = (race["classId"].as_u64().unwrap(), race["raceId"].as_u64().unwrap());
        for row in rows(serving, &format!("/v1/races/{class}/{race}/results?")) {
            let racer = row["racerId"].as_u64().unwrap();
            let line = format!(
                r#"{{"classId":{class},"raceId":{race},"racerId":{racer},"name":{},"final":{},"best":{},"total":{},"seconds":{}}}"#,
                row["name"], row["final"], row["best"], row["total"], row["seconds"]
            );
            lines.insert((class, race, racer), line);
        }
    }
    lines.into_values().map(|line| line + "\n").collect()
}

/// The service's leaderboards in the format of a replay's `leaderboard.json`.
pub(crate) fn leaderboard(serving: &ServiceProcess) -> String {
    let classes = serving.get("/v1/classes");
    let classes = classes.as_array().unwrap().iter().map(|class| &class["classId"]);
    let class = |class: &Value| {
        let of = rows(serving, &format!("/v1/classes/{class}/leaderboard?"));
        let row = |row: &Value| {
            let text = format!(r#"{{"output":{},"raceId":{}}}"#, row["output"], row["raceId"]);
            (row["racerId"].as_u64().unwrap(), text)
        };
        format!("\"class-{class}\":{}", object(of.iter().map(row).collect()))
    };
    format!("{{{}}}", classes.map(class).collect::<Vec<_>>().join(","))
}

/// The service's view counts in the format of a replay's `views.json`.
pub(crate) fn views(serving: &ServiceProcess) -> String {
    let row = |row: &Value| {
        let text = format!(r#"{{"views":{},"durationMs":{}}}"#, row["views"], row["durationMs"]);
        (row["projectId"].as_str().unwrap().to_owned(), text)
    };
    object(rows(serving, "/v1/projects?").iter().map(row).collect())
}

fn object<K: std::fmt::Display + Ord>(rows: BTreeMap<K, String>) -> String {
    let mut text = String::new();
    for (key, row) in rows {
        let comma = if text.is_empty() { "" } else { "," };
        write!(text, "{comma}\"{key}\":{row}").unwrap();
    }
    format!("{{{text}}}")
}
