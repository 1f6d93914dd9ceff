//! The bound on open rides in a service: the reply and the dead letters have what it rejects, and a restart
//! changes no decision.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::firehose::post_json;
use crate::open_rides::reason;
use crate::run::{Workplace, sample};
use crate::serving::{ServiceProcess, clock_ahead, post, wait_for};

/// Posts one sample of each racer. Returns the racers whose samples were rejected, with their verdicts.
fn post_racers(serving: &ServiceProcess, racers: &[u32]) -> Vec<(u32, String)> {
    let lines: Vec<_> = racers.iter().map(|racer| sample(1, *racer, 300, 0.0)).collect();
    let mut answer = Value::Null;
    wait_for("the service answers", || {
        let (status, body) = post(&serving.url, &lines.join("\n")).unwrap();
        answer = body;
        status == 200
    });
    let rejected = answer["rejected"].as_array().unwrap();
    assert_eq!(answer["accepted"], racers.len() - rejected.len());
    let verdict = |verdict: &Value| {
        let racer = racers[usize::try_from(verdict["index"].as_u64().unwrap()).unwrap()];
        (racer, verdict["error"].as_str().unwrap().to_owned())
    };
    rejected.iter().map(verdict).collect()
}

#[test]
fn a_service_rejects_rides_in_its_reply_and_decides_alike_after_a_kill() {
    let place = Workplace::new();
    let start = |seconds| {
        let clock = clock_ahead(seconds);
        let arguments = format!("--open-rides 3 --checkpoint-seconds 1 --workers 2 {clock}");
        ServiceProcess::start(&place.path("data"), &arguments)
    };
    let rejected =
        |racers: &[u32]| racers.iter().map(|racer| (*racer, reason(3))).collect::<Vec<_>>();
    let serving = start(0);
    assert_eq!(post_racers(&serving, &[1, 2]), []);
    assert_eq!(post_racers(&serving, &[4, 2, 3, 5, 1]), rejected(&[3, 5]));
    assert_eq!(post_racers(&serving, &[3]), rejected(&[3]));
    let metrics = serving.get("/metrics");
    for line in ["velodrome_open_rides 3", "velodrome_rides_rejected_total 3"] {
        assert!(metrics.as_str().unwrap().lines().any(|found| found == line), "{line}");
    }
    // Running rides are recovered from the log.
    serving.kill();
    let serving = start(5);
    assert_eq!(post_racers(&serving, &[3, 1, 2, 4]), rejected(&[3]));

    // Finished rides are recovered from the checkpoint, long after their events were read from the log.
    serving.kill();
    let serving = start(1_200);
    wait_for("the rides are finished", || {
        serving.get("/v1/races?classId=1")["rows"][0]["state"] == "over"
    });
    let checkpoint = place.path("data/checkpoint.redb");
    let saved = fs::metadata(&checkpoint).unwrap().modified().unwrap();
    wait_for("a checkpoint is written", || {
        fs::metadata(&checkpoint).unwrap().modified().unwrap() > saved
    });
    serving.kill();
    let serving = start(2_400);
    assert_eq!(post_racers(&serving, &[3, 1]), rejected(&[3]));

    // The repair window is over. Known rides remain known.
    serving.kill();
    let serving = start(3_700);
    assert_eq!(post_racers(&serving, &[1, 2, 3, 4, 5, 6, 7]), rejected(&[7]));
    serving.kill();
    let serving = start(3_800);
    assert_eq!(post_racers(&serving, &[7, 1, 6]), rejected(&[7]));
    assert_eq!(serving.stop(), 0);

    // The log has only accepted events, so a replay under the same bound rejects none.
    let stored = place.replay_stored("data", "out --open-rides 3");
    assert_eq!(stored.code, 0, "{}", stored.stderr);
    assert_eq!(place.json("out/summary.json")["rejected"], 0);
    let letters: Vec<_> = letters(&place.path("data")).iter().map(text_and_reason).collect();
    let expected = [3, 5, 3, 3, 3, 7, 7].map(|racer| (sample(1, racer, 300, 0.0), reason(3)));
    assert_eq!(letters, expected);
}

#[test]
fn a_delivery_with_a_ride_beyond_the_bound_succeeds_and_leaves_a_dead_letter() {
    let place = Workplace::new();
    let serving = ServiceProcess::start(&place.path("data"), "--open-rides 1");
    let records =
        [sample(1, 1, 1, 0.0), [2, 1, 3].map(|racer| sample(2, racer, 2, 0.0)).join("\n")];
    let records = records.map(|text| json!({"data": BASE64_STANDARD.encode(text)}));
    let body = json!({"requestId": "d", "timestamp": 1, "records": records}).to_string();
    let headers = [("x-amz-firehose-protocol-version", "1.0"), ("x-amz-firehose-request-id", "d")];
    let (status, answer) =
        post_json(&format!("{}/firehose/delivery", serving.url), &headers, &body);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(serving.stop(), 0);
    let letters: Vec<_> = letters(&place.path("data")).iter().map(text_and_reason).collect();
    let rejected = [2, 3].map(|racer| (sample(2, racer, 2, 0.0), reason(1)));
    assert_eq!(letters, rejected);
}

/// The text and reason of a dead letter.
fn text_and_reason(letter: &Value) -> (String, String) {
    let text = BASE64_STANDARD.decode(letter["rawData"].as_str().unwrap()).unwrap();
    (String::from_utf8(text).unwrap(), letter["errorMessage"].as_str().unwrap().to_owned())
}

/// All dead letters of a service, in order.
fn letters(data: &Path) -> Vec<Value> {
    let mut folders = vec![data.join("archive/processing-failed")];
    // By file name, because a kill can leave a file that is in the archive already. It can also leave a hidden
    // file that is being written.
    let mut texts = BTreeMap::new();
    folders.push(data.join("rejected"));
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let entry = entry.unwrap();
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                _ if entry.file_name().as_encoded_bytes().starts_with(b".") => {}
                path => _ = texts.insert(entry.file_name(), fs::read_to_string(path).unwrap()),
            }
        }
    }
    let mut letters: Vec<Value> = texts
        .values()
        .flat_map(|text| text.lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    letters.sort_by_key(|letter| letter["arrivalTimestamp"].as_u64());
    letters
}
