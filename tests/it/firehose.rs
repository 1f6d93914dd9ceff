//! Firehose's contracts end to end: the command, the routes, and the archive of dead letters.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::golden::alleycat;
use crate::run::{Workplace, sample, view};
use crate::serving::{ServiceProcess, agent, now_ms, post, wait_for};

/// Posts JSON with additional headers.
pub(crate) fn post_json(url: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let mut request = agent().post(url).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut answer = request.send(body).unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap())
}

#[test]
fn transforms_the_published_samples_request_like_its_own_function() {
    let golden = alleycat();
    let text = |name: &str| fs::read_to_string(golden.join(name)).unwrap();
    let (request, response) = (text("firehose-request.json"), text("firehose-response.json"));
    let expected: Value = serde_json::from_str(&response).unwrap();
    assert_eq!(expected["records"].as_array().unwrap().len(), 20);

    let place = Workplace::new();
    let ended = place.run_with("transform", &[], request.as_bytes());
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    assert_eq!(serde_json::from_str::<Value>(&ended.stdout).unwrap(), expected);

    let serving = ServiceProcess::start(&place.path("data"), "");
    let answer = post_json(&format!("{}/firehose/transform", serving.url), &[], &request);
    assert_eq!(answer, (200, expected));
    assert_eq!(serving.stop(), 0);
}

#[test]
fn the_command_applies_rules_and_rejects_invalid_requests() {
    let place = Workplace::new();
    place.write("rules.toml", "divisor = 50");
    let data = BASE64_STANDARD.encode(sample(1, 5, 1, 35.0));
    let request = json!({"records": [{"recordId": "a", "data": data}]}).to_string();
    let env = [("VELODROME_RULES", "rules.toml")];
    for (arguments, env) in [("transform --rules rules.toml", &[][..]), ("transform", &env)] {
        let ended = place.run_with(arguments, env, request.as_bytes());
        let reply: Value = serde_json::from_str(&ended.stdout).unwrap();
        let data = reply["records"][0]["data"].as_str().unwrap();
        let line = String::from_utf8(BASE64_STANDARD.decode(data).unwrap()).unwrap();
        assert!(line.ends_with(",\"output\":200}\n"), "{line}");
    }
    let large = vec![b' '; (6 << 20) + 1];
    let two = request.repeat(2);
    for (input, says) in [
        (&b""[..], "velodrome: the request is not a JSON object with records"),
        (b"[]", "the request is not a JSON object with records"),
        (two.as_bytes(), "trailing characters"),
        (&large, "the request has more than 6291456 bytes"),
    ] {
        let ended = place.run_with("transform", &[], input);
        assert_eq!((ended.code, &*ended.stdout, ended.stderr.lines().count()), (2, "", 1));
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
    }
    let ended = place.run_with("transform --rules missing.toml", &[], request.as_bytes());
    assert!(ended.code == 2 && ended.stderr.contains("'missing.toml'"), "{}", ended.stderr);
}

#[test]
fn a_delivery_survives_a_kill_and_repeating_it_changes_nothing() {
    let place = Workplace::new();
    let serving = ServiceProcess::start(&place.path("data"), "");
    let lines = format!("{}\n{}", view(1, "b"), sample(1, 5, 1, 1.0));
    let records = [view(1, "a"), lines].map(|text| json!({"data": BASE64_STANDARD.encode(text)}));
    let body = json!({"requestId": "d-1", "timestamp": 1, "records": records}).to_string();
    let deliver = |serving: &ServiceProcess| {
        let headers =
            [("x-amz-firehose-protocol-version", "1.0"), ("x-amz-firehose-request-id", "d-1")];
        post_json(&format!("{}/firehose/delivery", serving.url), &headers, &body)
    };
    let (status, answer) = deliver(&serving);
    assert_eq!((status, &answer["requestId"]), (200, &json!("d-1")));
    serving.kill();
    let serving = ServiceProcess::start(&place.path("data"), "");
    assert_eq!(deliver(&serving).0, 200);
    wait_for("both views", || serving.get("/v1/projects/p")["views"] == 2);
    assert_eq!(serving.get("/v1/races/1/7/standings")["racers"], 1);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn dead_letters_reach_the_archive_after_a_kill_and_replays_ignore_them() {
    let place = Workplace::new();
    // A minute, after which dead letters are uploaded and a segment is closed, takes an eighth of a
    // second.
    let arguments = format!("--clock-speed 500 --clock-from {}", now_ms());
    let serving = ServiceProcess::start(&place.path("data"), &arguments);
    let rejected = format!("{}\nfirst\n", view(1, "a"));
    assert_eq!(post(&serving.url, &rejected).unwrap().0, 200);
    let archive = place.path("data/archive");
    wait_for("a dead letter is archived", || letters(&archive).len() == 1);
    assert_eq!(post(&serving.url, "second").unwrap().0, 200);
    serving.kill();
    let serving = ServiceProcess::start(&place.path("data"), &arguments);
    wait_for("the remaining dead letter is archived", || letters(&archive).len() == 2);
    assert_eq!(serving.stop(), 0);

    for (name, line) in letters(&archive) {
        let letter: Value = serde_json::from_str(&line).unwrap();
        let time: String = name.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert!(time.starts_with("0000/00/00/00/velodrome-0-0000-00-00-00-00-00-"), "{name}");
        assert_eq!((name.len(), name.contains(".gz")), (13 + 1 + 31 + 1 + 36, false), "{name}");
        let data = BASE64_STANDARD.decode(letter["rawData"].as_str().unwrap()).unwrap();
        assert!(data == b"first" || data == b"second", "{line}");
        assert_eq!(letter["errorCode"], "Lambda.ProcessingFailedStatus");
        assert!(letter["errorMessage"].as_str().unwrap().starts_with("not a JSON object"));
        assert_eq!((&letter["attemptsMade"], &letter["lambdaARN"]), (&json!(1), &json!("")));
        assert!(letter["source"]["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
        let times = [&letter["arrivalTimestamp"], &letter["attemptEndingTimestamp"]];
        assert!(times.iter().all(|ms| ms.as_u64() > Some(1_700_000_000_000)), "{line}");
        assert_eq!(letter.as_object().unwrap().len(), 8, "{line}");
    }
    assert_eq!(fs::read_dir(place.path("data/rejected")).unwrap().count(), 0);
    let replayed = place.replay_stored("data", "out");
    assert_eq!(replayed.code, 0, "{}", replayed.stderr);
    let summary = place.json("out/summary.json");
    assert_eq!((&summary["events"], &summary["rejected"]), (&json!(1), &json!(0)));
}

/// The objects of dead letters, by their key below the folder. Each has one line.
fn letters(archive: &Path) -> BTreeMap<String, String> {
    let root = archive.join("processing-failed");
    let (mut left, mut letters) = (vec![root.clone()], BTreeMap::new());
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.is_file() && !path.file_name().unwrap().to_str().unwrap().starts_with('.') {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            letters.insert(name, fs::read_to_string(&path).unwrap().trim_end().to_owned());
        }
    }
    letters
}
