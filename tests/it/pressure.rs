//! The service with too much memory, with a checkpoint that cannot be written, and with folders that vanish.

use std::fs;

use serde_json::json;

use crate::run::{Workplace, view};
use crate::serving::{ServiceProcess, get, post, wait_for};

/// 10,000 samples, each of a racer of its own. `batch` numbers the requests.
fn rides(batch: u32) -> String {
    let event = |racer| {
        format!(
            r#"{{"event":"update","deviceTimestamp":1,"raceId":7,"classId":1,"racerId":{racer},"second":1,"cadence":65,"resistance":9}}"#
        )
    };
    (batch * 10_000..(batch + 1) * 10_000).map(event).collect::<Vec<_>>().join("\n")
}

#[test]
fn above_its_memory_a_service_refuses_new_work_by_name_and_loses_nothing() {
    let place = Workplace::new();
    let data = place.path("data");
    let serving = ServiceProcess::start(&data, "--memory-max 150 --client-rate 10000000");
    let mut accepted = 0;
    let refused = (0..100).find_map(|batch| {
        let (status, body) = post(&serving.url, &rides(batch)).unwrap();
        accepted += u64::from(status == 200);
        (status != 200).then_some((status, body))
    });
    let (status, body) = refused.unwrap();
    assert_eq!((status, &body["error"]["code"]), (503, &json!("memory_full")), "{body}");
    let (status, ready) = get(&format!("{}/readyz", serving.url));
    assert_eq!(status, 503);
    let reason = ready["reasons"][0].as_str().unwrap();
    assert!(
        reason.starts_with("memory: the process has more than --memory-max, 150 MB"),
        "{reason}"
    );
    let stream = get(&format!("{}/v1/stream?topics=board:1", serving.url));
    assert_eq!(stream, (200, json!("retry: 10000\n")));
    assert_eq!(get(&format!("{}/healthz", serving.url)).0, 200);
    assert_eq!(serving.get("/v1/races")["rows"][0]["raceId"], 7);
    assert_eq!(serving.stop(), 0);

    let serving = ServiceProcess::start(&data, "");
    assert_eq!(serving.get("/v1/races")["rows"][0]["racers"], accepted * 10_000);
    let metrics = serving.get("/metrics");
    assert!(metrics.as_str().unwrap().contains("velodrome_memory_max_bytes "));
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_a_note_until_it_can() {
    let place = Workplace::new();
    let serving = ServiceProcess::start(&place.path("data"), "--checkpoint-seconds 1");
    let notes = || serving.get("/readyz")["notes"].to_string();
    let (checkpoint, away) = (place.path("data/checkpoint.redb"), place.path("away.redb"));
    serving.post(&view(1, "a"));
    fs::rename(&checkpoint, &away).unwrap();
    wait_for("the note", || notes().contains("checkpoint: "));
    assert!(notes().contains("checkpoint.redb"), "{}", notes());
    fs::rename(&away, &checkpoint).unwrap();
    wait_for("the end of the note", || notes() == "[]");
    assert_eq!(serving.stop(), 0);
    let serving = ServiceProcess::start(&place.path("data"), "");
    assert_eq!(serving.get("/v1/projects/p")["views"], 1);
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_vanished_folder_of_the_log_is_made_again_and_a_removed_segment_is_noticed() {
    let place = Workplace::new();
    let data = place.path("data");
    let serving = ServiceProcess::start(&data, "");
    fs::remove_dir_all(data.join("log")).unwrap();
    serving.post(&view(1, "a"));
    fs::remove_file(data.join("log/00000000000000000001.jsonl")).unwrap();
    let (status, body) = post(&serving.url, &view(1, "b")).unwrap();
    assert_eq!((status, &body["error"]["code"]), (503, &json!("log_failed")), "{body}");
    let reason = get(&format!("{}/readyz", serving.url)).1["reasons"][0].to_string();
    assert!(reason.contains("somebody removed the file"), "{reason}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_history_directory_that_cannot_be_written_is_a_reason_until_it_can() {
    let place = Workplace::new();
    let data = place.path("data");
    let serving = ServiceProcess::start(&data, "");
    let ready = || get(&format!("{}/readyz", serving.url));
    // A directory that vanished is made again. A file in its place is in the way.
    fs::remove_dir_all(data.join("history")).unwrap_or_default();
    fs::write(data.join("history"), "").unwrap();
    serving.post(&crate::run::sample(1, 1, 1, 50.0).replace("update", "final"));
    let published = || get(&format!("{}/class-1.gz", serving.url)).0 == 200;
    wait_for("the reason", || {
        published();
        ready().1["reasons"].to_string().contains("history files: class 1: ")
    });
    assert_eq!(ready().0, 503);
    fs::remove_file(data.join("history")).unwrap();
    wait_for("the service is ready", || ready().0 == 200);
    assert_eq!(serving.stop(), 0);
}
