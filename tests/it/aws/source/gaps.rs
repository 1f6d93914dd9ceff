//! What is not read: rejected events, and records that the stream dropped.

use std::fs;

use serde_json::{Value, json};

use super::super::servers::Kinesis;
use super::{put_view, start, views};
use crate::run::{Workplace, view};
use crate::serving::{get, now_ms, wait_for};

#[test]
fn a_rejected_event_becomes_a_dead_letter_with_its_position_in_the_stream() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start());
    kinesis.create("races", 1);
    let both = format!("no event\n{}", view(1, "a"));
    kinesis.put("races", [("1".to_owned(), both)]);
    let data = place.path("data");
    let serving = start(&kinesis, &data, "");
    wait_for("the view is counted", || views(&serving) == 1);
    assert_eq!(serving.stop(), 0);
    let spooled = fs::read_dir(data.join("rejected")).unwrap();
    let text: String =
        spooled.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    let letter: Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!(letter["rawData"], "bm8gZXZlbnQ=");
    assert_eq!(letter["source"]["shardId"], "shardId-000000000000");
    let sequence =
        place.json("data/positions.json")["shards"]["shardId-000000000000"]["next"]["after"]
            .clone();
    assert_eq!(letter["source"]["sequenceNumber"], sequence);
}

#[test]
fn reports_records_that_the_stream_dropped_unread() {
    let (place, kinesis) = (Workplace::new(), Kinesis::start());
    kinesis.create("races", 1);
    put_view(&kinesis, "a");
    let data = place.path("data");
    let serving = start(&kinesis, &data, "");
    wait_for("the view is counted", || views(&serving) == 1);
    let (status, ready) = get(&format!("{}/readyz", serving.url));
    assert_eq!((status, &ready["notes"]), (200, &json!([])));
    assert_eq!(serving.stop(), 0);

    // As if the service had been down for more than a day, and the stream had dropped a shard.
    let mut positions = place.json("data/positions.json");
    let shards = positions["shards"].as_object_mut().unwrap();
    let mut dropped = shards["shardId-000000000000"].clone();
    shards["shardId-000000000000"]["untilMs"] = json!(now_ms() - 25 * 3_600_000);
    dropped["untilMs"] = json!(now_ms() - 1_000);
    shards.insert("shardId-000000000009".to_owned(), dropped);
    place.write("data/positions.json", positions.to_string());
    let serving = start(&kinesis, &data, "");
    put_view(&kinesis, "b");
    wait_for("the next view is counted", || views(&serving) == 2);
    let (status, ready) = get(&format!("{}/readyz", serving.url));
    let notes: Vec<_> =
        ready["notes"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
    assert_eq!((status, notes.len()), (200, 2), "{ready}");
    assert!(notes[0].contains("shard 'shardId-000000000009' was dropped by the stream"), "{ready}");
    assert!(notes[1].contains("shard 'shardId-000000000000' was read until"), "{ready}");
    assert!(notes[1].contains("keeps records for only 24 h"), "{ready}");
    let metrics = get(&format!("{}/metrics", serving.url)).1;
    assert!(metrics.as_str().unwrap().contains("velodrome_source_gaps_total 2"), "{metrics}");
    assert!(serving.log().contains("ERROR"), "{}", serving.log());
    assert_eq!(serving.stop(), 0);
}
