//! Starts of the service with a clock that is before or far after the log's last event.

use crate::run::{Workplace, sample};
use crate::serving::{ServiceProcess, get, now_ms, startup_error, wait_for};

const HOUR_MS: u64 = 3_600_000;

/// A data directory whose log has one event, which arrived at `arrival_ms`.
fn logged_at(arrival_ms: u64) -> Workplace {
    let place = Workplace::new();
    let event = sample(arrival_ms, 1, 1, 50.0);
    let event = event.replace('}', &format!(",\"arrivalTimestamp\":{arrival_ms}}}\n"));
    place.write("data/log/00000000000000000001.jsonl", event);
    place
}

#[test]
fn a_start_with_a_clock_before_the_log_runs_on_from_the_log_and_says_by_how_much() {
    let arrival_ms = now_ms() + HOUR_MS;
    let place = logged_at(arrival_ms);
    let serving = ServiceProcess::start(&place.path("data"), "");
    wait_for("the note", || serving.get("/readyz")["notes"].to_string().contains("clock: "));
    let ready = serving.get("/readyz");
    assert_eq!(ready["ready"], true);
    let note = ready["notes"][0].as_str().unwrap();
    let seconds = note.strip_prefix("clock: ").unwrap().split(' ').next().unwrap();
    let seconds: f64 = seconds.parse().unwrap();
    assert!((3_400.0..3_600.1).contains(&seconds), "{note}");
    assert!(note.contains("ahead of the machine's clock"), "{note}");

    // New events become visible, at times from the log's last one on.
    let token = serving.post(&sample(arrival_ms, 1, 2, 60.0));
    let standings = serving.get(&format!("/v1/races/1/7/standings?after={token}"));
    assert_eq!(standings["rows"][0]["second"], 2);
    let as_of = standings["asOf"].as_u64().unwrap();
    assert!((arrival_ms..arrival_ms + HOUR_MS).contains(&as_of), "{as_of}");
    let (_, metrics) = get(&format!("{}/metrics", serving.url));
    let lead = metrics
        .as_str()
        .unwrap()
        .lines()
        .find_map(|line| line.strip_prefix("velodrome_clock_lead_seconds "));
    assert!((3_400.0..3_600.1).contains(&lead.unwrap().parse::<f64>().unwrap()), "{lead:?}");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn a_start_more_than_a_day_after_the_log_needs_accept_clock() {
    let arrival_ms = now_ms() - 25 * HOUR_MS;
    let place = logged_at(arrival_ms);
    let data = place.path("data");
    let error = startup_error(&data, "");
    assert!(error.contains("the clock shows 20"), "{error}");
    assert!(error.contains("more than a day after the last time in the log, 20"), "{error}");
    assert!(error.contains("--accept-clock"), "{error}");
    let serving = ServiceProcess::start(&data, "--accept-clock");
    wait_for("the ride is finished", || serving.get("/v1/races")["rows"][0]["state"] == "over");
    assert_eq!(serving.stop(), 0);
    // Its time is in the checkpoint now, although no event has arrived since.
    let serving = ServiceProcess::start(&data, "");
    assert_eq!(serving.get("/readyz")["notes"].as_array().unwrap().len(), 0);
    assert_eq!(serving.stop(), 0);
    let place = logged_at(now_ms() - 23 * HOUR_MS);
    assert_eq!(ServiceProcess::start(&place.path("data"), "").stop(), 0);
}
