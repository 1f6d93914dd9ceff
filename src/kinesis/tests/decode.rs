//! Decoding of records: which events are accepted, their arrivals, and dead letters.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;

use super::super::decode::{Decoded, dead_letter};
use super::super::shard_reader::Record;
use crate::dead_letters::DeadLetterQueue;
use crate::health::Health;
use crate::ingest::rejection::Rejection;
use crate::log::{Clock, RejectedLine};

const NOW_MS: u64 = 1_620_240_001_000;

fn view(uuid: &str) -> String {
    format!(r#"{{"event":"view","uuid":"{uuid}","projectId":"p","deviceTimestamp":1}}"#)
}

fn record(sequence: u64, data: impl Into<Bytes>) -> Record {
    Record { sequence: sequence.to_string(), arrival_ms: NOW_MS + sequence, data: data.into() }
}

/// The arrivals of the events in `records`, relative to `NOW_MS`, and the number of rejected events.
fn decoded(records: &[Record]) -> (Vec<u64>, usize) {
    let Decoded { mut lines, events, rejected } =
        Decoded::from_records(records, &Clock::system().following_source().1, 300);
    lines.stamp_recorded();
    assert!(events.tracking.iter().map(|event| event.clock).eq(0..lines.len() as u64));
    ((0..lines.len()).map(|line| lines.arrival(line) - NOW_MS).collect(), rejected)
}

/// Two user records, aggregated as the Kinesis Producer Library does it.
fn aggregated() -> Vec<u8> {
    use md5::{Digest, Md5};
    let user = |data: &str| {
        let mut record = vec![0x08, 0x00, 0x1a, u8::try_from(data.len()).unwrap()];
        record.extend_from_slice(data.as_bytes());
        [vec![0x1a, u8::try_from(record.len()).unwrap()], record].concat()
    };
    let message = [user(&view("a")), user(&view("b"))].concat();
    let digest = Md5::digest(&message);
    [&[0xf3, 0x89, 0x9a, 0xc2], &message[..], digest.as_slice()].concat()
}

#[test]
fn a_record_has_one_event_several_lines_or_several_user_records() {
    let one = record(1, view("a"));
    let lines = record(3, format!("{}\n{}", view("c"), view("d")));
    assert_eq!(decoded(&[one, lines]), (vec![1, 3, 3], 0));
    assert_eq!(decoded(&[record(4, aggregated())]), (vec![4, 4], 0));
}

#[test]
fn arrivals_never_decrease() {
    assert_eq!(decoded(&[record(9, view("a")), record(3, view("b"))]), (vec![9, 9], 0));
}

#[test]
fn rejected_events_become_dead_letters() {
    let records = [
        record(1, format!("no\n{}\n{{}}", view("a"))),
        record(2, vec![0xff]),
        record(3, view("b")),
    ];
    assert_eq!(decoded(&records), (vec![1, 3], 3));
    let root = tempfile::tempdir().unwrap();
    let dead_letters =
        DeadLetterQueue::open(root.path(), Clock::manual(NOW_MS).0, &Health::default()).unwrap();
    // The log rejected the second event that was decoded.
    let reason = Rejection::TooManyRides(7);
    let by_log = vec![RejectedLine { index: 1, text: Vec::new(), reason }];
    dead_letter(&records, "shardId-0", 300, by_log, &dead_letters);
    let spooled = std::fs::read_dir(root.path().join("rejected")).unwrap().next().unwrap().unwrap();
    let text = std::fs::read_to_string(spooled.path()).unwrap();
    let written: Vec<_> = text
        .lines()
        .map(|line| {
            let letter: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(letter["source"]["shardId"], "shardId-0");
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            (
                text(&letter["source"]["sequenceNumber"]),
                text(&letter["rawData"]),
                letter["arrivalTimestamp"].as_u64().unwrap() - NOW_MS,
            )
        })
        .collect();
    let last = BASE64_STANDARD.encode(view("b"));
    let expected = [("1", "bm8=", 1), ("1", "e30=", 1), ("2", "/w==", 2), ("3", &last, 3)];
    let expected = expected.map(|(sequence, data, ms)| (sequence.to_owned(), data.to_owned(), ms));
    assert_eq!(written, expected);
}
