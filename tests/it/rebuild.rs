//! Switching to new rules: during operation, under load, and across a restart.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bans;
use crate::restarts::{Answers, RACERS, StoppedService, answers, files_below};
use crate::run::{Workplace, contents};
use crate::served_results::{leaderboard, results, views};
use crate::serving::{ServiceProcess, agent, get, now_ms, post, wait_for};

/// Rides close 6 minutes after their first event. The service's clock runs this many times as fast.
const SPEED: u32 = 20;

/// Posts a rules file, and returns the status and the answer.
fn post_rules(serving: &ServiceProcess, rules: &str) -> (u16, Value) {
    let mut answer = agent().post(format!("{}/v1/rules", serving.url)).send(rules).unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap())
}

/// Waits until the rules with this id are active, and returns them.
fn wait_until_active(serving: &ServiceProcess, id: &Value) -> Value {
    let mut rules = Value::Null;
    wait_for("the rules are active", || {
        rules = serving.get("/v1/rules");
        assert_eq!(rules["rebuild"]["error"], Value::Null);
        rules["rebuild"] == Value::Null
    });
    assert_eq!(&rules["rulesId"], id);
    rules["rules"].clone()
}

/// Events sorted by their reversed text, so that each part of them covers all races, and each race runs
/// as long as events arrive.
fn interleaved_events(place: &Workplace) -> String {
    let simulated = place
        .run("simulate --hours 0.5 --racers 90 --concurrent 36 --classes 3 --out events.jsonl");
    assert_eq!(simulated.code, 0, "{}", simulated.stderr);
    let events = fs::read_to_string(place.path("events.jsonl")).unwrap();
    let mut lines: Vec<_> = events.lines().collect();
    lines.sort_by_cached_key(|line| line.bytes().rev().collect::<Vec<_>>());
    lines.join("\n")
}

/// Posts lines in batches of 50. Each batch is visible once it is acknowledged.
fn post_all(url: &str, lines: &[&str], acknowledged: &AtomicUsize) {
    for batch in lines.chunks(50) {
        let token = post_until_accepted(url, &batch.join("\n"));
        acknowledged.fetch_add(batch.len(), Ordering::Relaxed);
        assert_eq!(get(&format!("{url}/v1/races?after={token}")).0, 200);
        // Posts slowly enough that segments are archived while events arrive.
        thread::sleep(Duration::from_millis(20));
    }
}

/// Makes every kind of read in turn until `is_over`. Asserts that no read fails, and that no answer is
/// older than the previous answer to the same call.
fn read_all(url: &str, part: usize, reads: &AtomicUsize, is_over: &AtomicBool) {
    let (mut seen, mut number) = ([0; 9], 0_usize);
    while !is_over.load(Ordering::Relaxed) {
        number += 1;
        let paths = [
            format!("/v1/classes/{}/board?second={}", 1 + number % 3, 1 + number % 300),
            format!("/v1/classes/{}/leaderboard", 1 + number % 3),
            "/v1/classes".to_owned(),
            "/v1/projects".to_owned(),
            "/v1/races/1/5400802/standings".to_owned(),
            "/v1/races/1/5400802/results".to_owned(),
            format!("/v1/racers/{}/curve?classId=1", number % 90),
            "/v1/races".to_owned(),
            format!("/history/class-{}.gz", 1 + number % 3),
        ];
        let call = (number / 2 + part) % paths.len();
        let path = &paths[call];
        let (status, body) = get(&format!("{url}{path}"));
        // 404 is right for a racer without a record, a race before its first event, and a class before
        // its first object.
        let is_answered = status == 200 || status == 404 && body["error"]["code"] == "not_found";
        assert!(is_answered, "{path}: {status} {body}");
        if let Some(as_of) = body["asOf"].as_u64() {
            assert!(as_of >= seen[call], "{path}: {as_of} after {}", seen[call]);
            seen[call] = as_of;
        }
        reads.fetch_add(1, Ordering::Relaxed);
    }
}

/// Posts `events` from four clients while two others read, and switches to each of `rules` meanwhile.
/// Bans one racer during each switch.
fn switch_under_load(serving: &ServiceProcess, events: &[&str], rules: &[&str]) {
    const CLIENTS: usize = 4;
    let (acknowledged, reads, is_over) =
        (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let (acknowledged, reads, is_over) = (&acknowledged, &reads, &is_over);
    let url = &serving.url;
    thread::scope(|scope| {
        for lines in events.chunks(events.len().div_ceil(CLIENTS)) {
            scope.spawn(move || post_all(url, lines, acknowledged));
        }
        for part in 0..2 {
            scope.spawn(move || read_all(url, part, reads, is_over));
        }
        for (number, rules) in rules.iter().enumerate() {
            wait_for("a part of the events is acknowledged", || {
                acknowledged.load(Ordering::Relaxed) > events.len() * (number + 1) / 4
            });
            let (status, answer) = post_rules(serving, rules);
            assert_eq!((status, answer["rebuild"].is_object()), (202, true), "{answer}");
            // The ban applies to both engines.
            bans::set(serving, 30 + number as u32, true);
            let before = reads.load(Ordering::Relaxed);
            wait_until_active(serving, &answer["rebuild"]["rulesId"]);
            assert!(reads.load(Ordering::Relaxed) > before, "no read during the switch");
        }
        assert!(
            acknowledged.load(Ordering::Relaxed) < events.len(),
            "no event during the switches"
        );
        wait_for("all is acknowledged", || acknowledged.load(Ordering::Relaxed) == events.len());
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_switch_under_load_loses_no_event_fails_no_read_and_equals_a_replay_under_the_rules() {
    let place = Workplace::new();
    let events = interleaved_events(&place);
    let events: Vec<_> = events.lines().collect();
    // An hour of the service's clock passes in three minutes. Until then no event is late.
    let arguments = format!(
        "--clock-speed {SPEED} --clock-from {} --checkpoint-seconds 1 --workers 2 \
         --client-requests 100000",
        now_ms()
    );
    let serving = ServiceProcess::start(&place.path("data"), &arguments);
    let rules = [
        "resistance_offset = 60\nexcluded_racers = [7]",
        "divisor = 90\ncorrected_racers.8.cadence = 0.9\nexcluded_races = [{ class_id = 1, race_id = 5400801 }]",
    ];
    switch_under_load(&serving, &events, &rules);
    assert_eq!(serving.get("/v1/bans")["racers"], json!([30, 31]));
    let metrics = get(&format!("{}/metrics", serving.url)).1;
    let metrics = metrics.as_str().unwrap();
    assert!(metrics.contains("velodrome_rebuilds_total{outcome=\"done\"} 2"), "{metrics}");

    for racer in [30, 31] {
        bans::set(&serving, racer, false);
    }
    wait_for("all races are over", || {
        let races = serving.get("/v1/races?limit=1000");
        races["rows"].as_array().unwrap().iter().all(|race| race["state"] == "over")
    });
    place.write("rules.toml", rules[1]);
    let replayed = place.run("replay events.jsonl --rules rules.toml --out expected");
    assert_eq!(replayed.code, 0, "{}", replayed.stderr);
    let expected = |name: &str| fs::read_to_string(place.path("expected").join(name)).unwrap();
    assert!(results(&serving) == expected("results.jsonl"), "results");
    assert!(leaderboard(&serving) == expected("leaderboard.json"), "leaderboard");
    assert!(views(&serving) == expected("views.json"), "views");

    // A service that restarts after a crash resumes under the new rules.
    serving.kill();
    let serving = ServiceProcess::start(&place.path("data"), &arguments);
    assert!(results(&serving) == expected("results.jsonl"), "results after a crash");
    assert!(leaderboard(&serving) == expected("leaderboard.json"), "leaderboard after a crash");
    assert_eq!(serving.stop(), 0);
    assert!(published(&place, "data") == published(&place, "expected"), "history objects");
    assert!(!place.path("data/rebuilt.redb").exists());
}

/// Posts lines until the service accepts them, and returns the token.
fn post_until_accepted(url: &str, lines: &str) -> String {
    let mut token = String::new();
    wait_for("a batch is acknowledged", || match post(url, lines) {
        Ok((200, answer)) => {
            token = answer["token"].as_str().unwrap().to_owned();
            answer["rejected"] == json!([])
        }
        Ok((503 | 429, _)) => false,
        other => panic!("{other:?}"),
    });
    token
}

/// The history objects below a directory.
fn published(place: &Workplace, of: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let history = contents(&place.path(of)).into_iter();
    history.filter(|(path, _)| path.starts_with("history")).collect()
}

#[test]
fn a_rebuild_at_startup_switches_to_new_rules_and_back() {
    let stopped = StoppedService::new();
    stopped.place.write("rules.toml", "cadence_offset = 15");
    let rules = format!("--rules {}", stopped.place.path("rules.toml").display());
    let serving = stopped.start(&format!("{rules} --rebuild"));
    // The service is ready at once, from the checkpoint or from the finished rebuild.
    let rules_status = serving.get("/v1/rules");
    let is_done = rules_status["rebuild"].is_null();
    let id = if is_done { &rules_status["rulesId"] } else { &rules_status["rebuild"]["rulesId"] };
    assert_eq!(wait_until_active(&serving, id)["cadence_offset"], json!(15.0));
    let outputs = |serving: &ServiceProcess| {
        let board = serving.get("/v1/classes/1/board?second=10");
        let rows = board["rows"].as_array().unwrap().iter();
        rows.map(|row| row["output"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    let by_rule = |racer: u32| ((65.0 + 15.0) * (f64::from(racer) + 1.0 + 65.0)) / 100.0;
    let expected: Vec<_> = (0..RACERS).rev().map(by_rule).collect();
    assert_eq!(outputs(&serving), expected);
    assert_eq!(serving.stop(), 0);

    // Without --rules the active rules continue. Other rules need a rebuild, in both directions.
    let serving = stopped.start("");
    assert_eq!(outputs(&serving), expected);
    assert_eq!(serving.stop(), 0);
    stopped.place.write("rules.toml", "");
    let refused = stopped.startup_error(&rules);
    let is_named = refused.contains("cadence_offset was 15.0 and is 35.0 now");
    assert!(is_named && refused.contains("--rebuild"), "{refused}");
    let serving = stopped.start(&format!("{rules} --rebuild"));
    wait_for("the rules are active", || serving.get("/v1/rules")["rebuild"].is_null());
    assert_eq!(answers(&serving), stopped.answers);
    assert_eq!(serving.stop(), 0);

    // --rebuild alone rebuilds under the same rules.
    let serving = stopped.start("--rebuild");
    let done = || get(&format!("{}/metrics", serving.url)).1;
    wait_for("a rebuild is done", || {
        done().as_str().unwrap().contains("velodrome_rebuilds_total{outcome=\"done\"} 1")
    });
    assert_eq!(answers(&serving), stopped.answers);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn rules_outlive_a_checkpoint_that_is_lost() {
    let stopped = StoppedService::new();
    let serving = stopped.start("");
    // These answers are cached, and the switch must invalidate the cache.
    assert_eq!(answers(&serving), stopped.answers);
    let (_, answer) = post_rules(&serving, "excluded_racers = [1]");
    wait_until_active(&serving, &answer["rebuild"]["rulesId"]);
    let expected = answers(&serving);
    assert_eq!(serving.stop(), 0);
    // The answers equal those without the racer, except that races can have other start times.
    let without = |mut answers: Answers| {
        answers.remove("/v1/races");
        answers
    };
    assert_eq!(
        without(expected.clone()),
        without(StoppedService::with_racers(|racer| racer != 1).answers)
    );
    for damage in [b"damaged".as_slice(), b""] {
        let path = stopped.place.path("data/checkpoint.redb");
        match damage {
            b"" => fs::remove_file(path).unwrap(),
            damage => fs::write(path, damage).unwrap(),
        }
        let serving = stopped.start("--rebuild");
        assert_eq!(answers(&serving), expected);
        assert_eq!(serving.stop(), 0);
    }
}

#[test]
fn a_failed_switch_reports_its_error_and_changes_nothing() {
    let stopped = StoppedService::new();
    let serving = stopped.start("");
    for (rules, says) in [
        ("divisor = 0", "divisor is 0"),
        ("race_second = 9", "did you mean 'race_seconds'?"),
        ("=", "line 1"),
        ("", "the body is empty"),
    ] {
        let (status, answer) = post_rules(&serving, rules);
        let (code, message) = (&answer["error"]["code"], answer["error"]["message"].as_str());
        assert_eq!((status, code), (400, &json!("bad_rules")), "{answer}");
        assert!(message.unwrap().contains(says), "{answer}");
    }
    let active = serving.get("/v1/rules");
    assert_eq!((&active["rebuild"], &active["rules"]["divisor"]), (&Value::Null, &json!(100.0)));

    let (status, answer) = post_rules(&serving, "# Alleycat's");
    assert_eq!((status, &answer["rulesId"]), (202, &active["rulesId"]), "the active rules");
    wait_until_active(&serving, &active["rulesId"]);

    let objects = files_below(&stopped.place.path("data/archive"));
    let complete = fs::read(&objects[0]).unwrap();
    fs::write(&objects[0], &complete[..complete.len() / 2]).unwrap();
    post_rules(&serving, "divisor = 50");
    let mut damaged = Value::Null;
    wait_for("the damage is reported", || {
        damaged = serving.get("/v1/rules");
        damaged["rebuild"]["error"].is_string()
    });
    let named =
        format!("cannot read '{}' of the log: the gzip stream is truncated", objects[0].display());
    assert!(damaged["rebuild"]["error"].as_str().unwrap().contains(&named), "{damaged}");
    assert_eq!(damaged["rules"]["divisor"], 100.0);
    assert_eq!(answers(&serving), stopped.answers);
    // The rebuild resumes once the object is restored.
    fs::write(&objects[0], complete).unwrap();
    wait_for("the rules are active", || serving.get("/v1/rules")["rebuild"].is_null());
    assert_eq!(serving.get("/v1/rules")["rules"]["divisor"], 50.0);
    assert_eq!(serving.stop(), 0);
}
