//! Services and replays that may have few files open.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use serde_json::json;

use crate::run::{Workplace, view};
use crate::serving::{ServiceProcess, agent, clock_ahead, get, now_ms, post, wait_for};

/// The limit of most tests.
const LIMIT: &str = "ulimit -n 128";

/// More classes than files may be open.
const CLASSES: u16 = 1_200;

/// A sample of race 7 in a class.
fn sample_of(class: u16, second: u16) -> String {
    format!(
        r#"{{"event":"update","deviceTimestamp":1,"raceId":7,"classId":{class},"racerId":5,"second":{second},"cadence":65,"resistance":1}}"#
    )
}

fn samples(second: u16) -> String {
    (1..=CLASSES).map(|class| sample_of(class, second)).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_number_of_classes_is_not_bounded_by_the_open_files() {
    let place = Workplace::new();
    let data = place.path("data");
    let serving = ServiceProcess::start(&data, "");
    serving.post(&samples(1));
    assert_eq!(serving.stop(), 0);
    // The races are over, so the records of all classes are published.
    let start = || ServiceProcess::start_with_ulimits(&data, &clock_ahead(400), LIMIT);
    let serving = start();
    let is_published = |serving: &ServiceProcess, class: u16| {
        get(&format!("{}/history/class-{class}.gz", serving.url)).0 == 200
    };
    wait_for("all classes are published", || {
        fs::read_dir(data.join("history")).map_or(0, Iterator::count) == usize::from(CLASSES)
    });
    wait_for("the last class is served", || is_published(&serving, CLASSES));
    serving.post(&samples(2));
    assert_eq!(serving.stop(), 0);
    let serving = start();
    assert!((1..=CLASSES).step_by(100).all(|class| is_published(&serving, class)));
    serving.post(&samples(3));
    assert_eq!(serving.get("/v1/classes").as_array().unwrap().len(), usize::from(CLASSES));
    assert!(!serving.log().contains("ERROR"), "{}", serving.log());
    assert_eq!(serving.stop(), 0);
}

#[test]
fn events_are_accepted_while_more_clients_connect_than_the_limit_permits() {
    let place = Workplace::new();
    let serving = ServiceProcess::start_with_ulimits(&place.path("data"), "", LIMIT);
    let address = serving.url.strip_prefix("http://").unwrap();
    let idle: Vec<_> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
    // Idle connections are closed after ten seconds, and others take their place.
    serving.post(&view(1, "a"));
    drop(idle);
    serving.post(&view(1, "b"));
    let log = serving.log();
    assert!(!log.contains("cannot accept") && !log.contains("ERROR"), "{log}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_service_that_cannot_open_files_refuses_events_and_heals() {
    let place = Workplace::new();
    // A segment is closed after a minute of the service's clock: 60 ms.
    let arguments = format!("--clock-speed 1000 --clock-from {}", now_ms());
    let serving = ServiceProcess::start_with_ulimits(&place.path("data"), &arguments, LIMIT);
    let limit = |files: usize| {
        let mut prlimit = Command::new("prlimit");
        prlimit.arg(format!("--pid={}", serving.id())).arg(format!("--nofile={files}:128"));
        assert!(prlimit.status().unwrap().success());
    };
    // This connection stays open.
    let client = agent();
    let send = |uuid: usize| {
        let request = client.post(format!("{}/v1/events", serving.url));
        let request = request.header("content-type", "application/x-ndjson");
        let mut answer = request.send(view(1, &uuid.to_string())).unwrap();
        let body: serde_json::Value =
            serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
        (answer.status().as_u16(), body)
    };
    assert_eq!(send(0).0, 200);
    limit(5);
    let (mut accepted, mut refused) = (1, json!(null));
    wait_for("a segment cannot be created", || {
        let (status, body) = send(accepted);
        accepted += usize::from(status == 200);
        refused = body;
        status == 503
    });
    let message = refused["error"]["message"].as_str().unwrap();
    assert_eq!(refused["error"]["code"], "log_unavailable", "{refused}");
    assert!(message.contains("Too many open files"), "{message}");
    let mut ready = client.get(format!("{}/readyz", serving.url)).call().unwrap();
    let reasons = ready.body_mut().read_to_string().unwrap();
    assert!(reasons.contains("log_unavailable: the log cannot create a file"), "{reasons}");
    // The server continues when accept(2) fails.
    let waiting = TcpStream::connect(serving.url.strip_prefix("http://").unwrap()).unwrap();
    wait_for("accept fails", || serving.log().contains("cannot accept connections"));

    limit(128);
    wait_for("the service is ready again", || get(&format!("{}/readyz", serving.url)).0 == 200);
    drop(waiting);
    assert_eq!(post(&serving.url, &view(1, "last")).unwrap().0, 200);
    assert_eq!(serving.log().matches("cannot accept connections").count(), 1);
    wait_for("all events are counted", || serving.get("/v1/projects/p")["views"] == accepted + 1);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn too_low_a_limit_is_reported_with_the_one_that_is_needed() {
    let place = Workplace::new();
    let names: Vec<_> = (0..256).map(|number| format!("{number}.jsonl")).collect();
    names.iter().for_each(|name| place.write(name, view(1, name)));
    let merge = format!("--merge --out out {}", names.join(" "));
    for (limit, command, says) in [
        (60, "serve --data data --auth off".to_owned(), "64 files must be open at a time"),
        (64, format!("replay -w 1 {merge}"), "raise it with ulimit -n 304"),
        (64, format!("batch {merge}"), "raise it with ulimit -n 304"),
        (64, "simulate --to http://localhost:1 --connections 64".to_owned(), "ulimit -n 112"),
        (64, "replay -w 64 0.jsonl --out out".to_owned(), "raise it with ulimit -n 112"),
    ] {
        let ended = place.run_limited(&command, limit);
        assert!(ended.code == 2 && ended.stderr.contains(says), "{command}: {}", ended.stderr);
    }
    // The soft limit is raised.
    let ended = place.run_limited(&format!("replay -w 1 {merge}"), 304);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(place.json("out/summary.json")["events"], 256);
    let ended = place.run_limited(&format!("replay -w 2 --out out {}", names.join(" ")), 64);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}
