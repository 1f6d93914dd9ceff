//! Clients that follow a race to its end. The state that they build from snapshots and deltas must equal
//! the responses of reads, also after a lost connection or a killed service.

use serde_json::{Value, json};

use crate::run::{Workplace, sample};
use crate::serving::{ServiceProcess, get};
use crate::stream_clients::{Proxy, ReceivedFrames, StreamClient};

/// Number of racers; only the last one has a name.
const RACERS: u32 = 6;

/// Returns the events of all racers at a second, one per line.
fn second(second: u16) -> String {
    let event = |racer: u32| {
        // All outputs have a fraction, because JavaScript writes whole numbers without one.
        let resistance = f64::from((racer * 7 + u32::from(second) * 5) % 11) + 0.5;
        sample(u64::from(second), racer, second, resistance)
    };
    let named = event(RACERS).replace("\"second\"", "\"name\":\"Zoë\",\"second\"");
    (1..RACERS).map(event).chain([named]).collect::<Vec<_>>().join("\n")
}

/// Returns the rows of standings, ranked as a client does.
fn ranked(state: &Value) -> Vec<Value> {
    let mut rows = state["rows"].as_array().unwrap().clone();
    rows.sort_by(|a, b| {
        let output = |row: &Value| row["output"].as_f64().unwrap();
        let racer = |row: &Value| row["racerId"].as_u64().unwrap();
        output(b).total_cmp(&output(a)).then(racer(a).cmp(&racer(b)))
    });
    rows
}

/// Posts a second, waits until the client has received it, and compares the client's state with the
/// service's response.
fn ride(serving: &ServiceProcess, client: &StreamClient, number: u16) {
    let token = serving.post(&second(number));
    let state = client.wait_for("standings:1", |state| {
        let rows = state["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
        rows.len() == RACERS as usize && rows.iter().all(|row| row["second"] == number)
    });
    let mut answer = serving.get(&format!("/v1/races/1/7/standings?after={token}"));
    let as_of = |value: &Value| value["asOf"].as_u64().unwrap();
    // The answer may be newer, but no row has changed since the client's state.
    assert!(as_of(&state) <= as_of(&answer), "{state} {answer}");
    for row in answer["rows"].as_array_mut().unwrap() {
        row.as_object_mut().unwrap().remove("rank");
    }
    assert_eq!(json!(ranked(&state)), answer["rows"]);
    assert_eq!((&state["raceId"], &state["racers"]), (&json!(7), &json!(RACERS)));
}

/// Returns how many snapshots the service has sent for `reason`.
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
fn an_event_source_follows_a_race_across_a_lost_connection_and_a_killed_service() {
    let place = Workplace::new();
    let arguments = rules(&place, 25);
    let serving = ServiceProcess::start(&place.path("data"), &arguments);
    let proxy = Proxy::to(&serving.url);
    let url = format!("{}/v1/stream?topics=standings:1,races:1", proxy.url);
    let client = StreamClient::event_source(&url);
    client.wait_for("races:1", Value::is_object);
    ride(&serving, &client, 1);
    ride(&serving, &client, 2);

    // After a lost connection the client gets the missed deltas and no snapshot.
    let before = client.received().events.len();
    proxy.cut();
    ride(&serving, &client, 3);
    ride(&serving, &client, 4);
    let after = client.received().events.split_off(before);
    assert!(after.iter().all(|event| event == "delta"), "{after:?}");
    assert_eq!((snapshots(&serving, "new"), snapshots(&serving, "resumed_late")), (2, 0));

    // A restarted service does not know the frames of its previous run.
    let before = client.received().events.len();
    serving.kill();
    let serving = ServiceProcess::start(&place.path("data"), &arguments);
    proxy.forward_to(&serving.url);
    ride(&serving, &client, 5);
    ride(&serving, &client, 6);
    assert_eq!(client.received().events[before], "snapshot");
    assert_eq!((snapshots(&serving, "new"), snapshots(&serving, "resumed_late")), (0, 2));

    let over = client.wait_for("standings:1", |state| state["raceId"].is_null());
    assert_eq!((&over["racers"], &over["rows"]), (&json!(0), &json!([])));
    let races = serving.get("/v1/races?classId=1");
    assert_eq!(races["rows"][0]["state"], "over");
    client.wait_for("races:1", |state| state["rows"] == races["rows"]);
    // The service stops without waiting for its clients.
    assert_eq!(serving.stop(), 0);
}

#[test]
fn curl_follows_a_race_to_its_end_and_resumes_after_its_last_frame() {
    let place = Workplace::new();
    let arguments = rules(&place, 12);
    let serving = ServiceProcess::start(&place.path("data"), &arguments);
    let topic = "/v1/stream?topics=standings:1";
    let client = StreamClient::curl(&format!("{}{topic}", serving.url), ReceivedFrames::default());
    ride(&serving, &client, 1);

    let received = client.end();
    let before = received.events.len();
    serving.post(&second(2));
    let client = StreamClient::curl(&format!("{}{topic}", serving.url), received);
    ride(&serving, &client, 3);
    let received = client.end();
    assert!(
        received.events[before..].iter().all(|event| event == "delta"),
        "{:?}",
        received.events
    );

    let before = received.events.len();
    serving.kill();
    let serving = ServiceProcess::start(&place.path("data"), &arguments);
    let client = StreamClient::curl(&format!("{}{topic}", serving.url), received);
    ride(&serving, &client, 4);
    assert_eq!(client.received().events[before], "snapshot");
    let over = client.wait_for("standings:1", |state| state["raceId"].is_null());
    assert_eq!(over["rows"], json!([]));
    assert_eq!(serving.stop(), 0);
}
