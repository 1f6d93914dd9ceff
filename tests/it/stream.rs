//! Clients that follow a race to its end: what they make of snapshots and deltas is what the reads
//! answer, also where a connection is cut or the service is lost on the way.

use serde_json::{Value, json};

use crate::following::{Follower, Proxy, Seen};
use crate::run::{Workplace, sample};
use crate::serving::{ServiceProcess, get};

/// Racers in the race; all but the last ride under no name.
const RACERS: u32 = 6;

/// The events of all racers at a second, a line each.
fn second(second: u16) -> String {
    let event = |racer: u32| {
        // Outputs with a fraction, as JavaScript writes whole numbers without.
        let resistance = f64::from((racer * 7 + u32::from(second) * 5) % 11) + 0.5;
        sample(u64::from(second), racer, second, resistance)
    };
    let named = event(RACERS).replace("\"second\"", "\"name\":\"Zoë\",\"second\"");
    (1..RACERS).map(event).chain([named]).collect::<Vec<_>>().join("\n")
}

/// Rows of standings as a client ranks them.
fn ranked(state: &Value) -> Vec<Value> {
    let mut rows = state["rows"].as_array().unwrap().clone();
    rows.sort_by(|a, b| {
        let output = |row: &Value| row["output"].as_f64().unwrap();
        let racer = |row: &Value| row["racerId"].as_u64().unwrap();
        output(b).total_cmp(&output(a)).then(racer(a).cmp(&racer(b)))
    });
    rows
}

/// Posts a second, waits until the client has it, and holds what the client made of it against what
/// the service answers.
fn ride(serving: &ServiceProcess, follower: &Follower, number: u16) {
    let token = serving.post(&second(number));
    let state = follower.wait_for("standings:1", |state| {
        let rows = state["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
        rows.len() == RACERS as usize && rows.iter().all(|row| row["second"] == number)
    });
    let mut answer = serving.get(&format!("/v1/races/1/7/standings?after={token}"));
    let as_of = |value: &Value| value["asOf"].as_u64().unwrap();
    // Nothing has changed between the two.
    assert!(as_of(&state) <= as_of(&answer), "{state} {answer}");
    for row in answer["rows"].as_array_mut().unwrap() {
        row.as_object_mut().unwrap().remove("rank");
    }
    assert_eq!(json!(ranked(&state)), answer["rows"]);
    assert_eq!((&state["raceId"], &state["racers"]), (&json!(7), &json!(RACERS)));
}

/// How many snapshots the service has sent for that reason.
fn snapshots(serving: &ServiceProcess, reason: &str) -> u64 {
    let (_, metrics) = get(&format!("{}/metrics", serving.url));
    let name = format!("velodrome_stream_snapshots_total{{reason=\"{reason}\"}} ");
    let line = metrics.as_str().unwrap().lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |count| count.parse().unwrap())
}

fn rules(place: &Workplace, race_seconds: u16) -> String {
    let rules = format!("race_seconds = {race_seconds}\ngrace_seconds = 1\n");
    place.write("rules.toml", rules);
    format!("--rules {}", place.path("rules.toml").display())
}

#[test]
fn an_event_source_follows_a_race_to_its_end_over_a_cut_and_a_lost_service() {
    let place = Workplace::new();
    let arguments = rules(&place, 25);
    let serving = ServiceProcess::start(&place.path("data"), &arguments);
    let proxy = Proxy::to(&serving.url);
    let url = format!("{}/v1/stream?topics=standings:1,races:1", proxy.url);
    let follower = Follower::event_source(&url);
    follower.wait_for("races:1", Value::is_object);
    ride(&serving, &follower, 1);
    ride(&serving, &follower, 2);

    // What is missed while the connection is cut comes after it, and no snapshot.
    let before = follower.seen().events.len();
    proxy.cut();
    ride(&serving, &follower, 3);
    ride(&serving, &follower, 4);
    let after = follower.seen().events.split_off(before);
    assert!(after.iter().all(|event| event == "delta"), "{after:?}");
    assert_eq!((snapshots(&serving, "new"), snapshots(&serving, "resumed_late")), (2, 0));

    // A service that begins anew knows nothing of what it sent.
    let before = follower.seen().events.len();
    serving.kill();
    let serving = ServiceProcess::start(&place.path("data"), &arguments);
    proxy.lead_to(&serving.url);
    ride(&serving, &follower, 5);
    ride(&serving, &follower, 6);
    assert_eq!(follower.seen().events[before], "snapshot");
    assert_eq!((snapshots(&serving, "new"), snapshots(&serving, "resumed_late")), (0, 2));

    let over = follower.wait_for("standings:1", |state| state["raceId"].is_null());
    assert_eq!((&over["racers"], &over["rows"]), (&json!(0), &json!([])));
    let races = serving.get("/v1/races?classId=1");
    assert_eq!(races["rows"][0]["state"], "over");
    follower.wait_for("races:1", |state| state["rows"] == races["rows"]);
    // It does not wait for who follows it.
    assert_eq!(serving.stop(), 0);
}

#[test]
fn curl_follows_a_race_to_its_end_and_goes_on_where_it_was() {
    let place = Workplace::new();
    let arguments = rules(&place, 12);
    let serving = ServiceProcess::start(&place.path("data"), &arguments);
    let topic = "/v1/stream?topics=standings:1";
    let follower = Follower::curl(&format!("{}{topic}", serving.url), Seen::default());
    ride(&serving, &follower, 1);

    let seen = follower.end();
    let before = seen.events.len();
    serving.post(&second(2));
    let follower = Follower::curl(&format!("{}{topic}", serving.url), seen);
    ride(&serving, &follower, 3);
    let seen = follower.end();
    assert!(seen.events[before..].iter().all(|event| event == "delta"), "{:?}", seen.events);

    let before = seen.events.len();
    serving.kill();
    let serving = ServiceProcess::start(&place.path("data"), &arguments);
    let follower = Follower::curl(&format!("{}{topic}", serving.url), seen);
    ride(&serving, &follower, 4);
    assert_eq!(follower.seen().events[before], "snapshot");
    let over = follower.wait_for("standings:1", |state| state["raceId"].is_null());
    assert_eq!(over["rows"], json!([]));
    assert_eq!(serving.stop(), 0);
}
