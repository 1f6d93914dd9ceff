//! What of records is taken, with which arrivals, and what is not.

use bytes::Bytes;

use super::super::decode::{Decoded, bury};
use super::super::shard::Record;
use crate::dead_letters::DeadLetters;
use crate::health::Health;
use crate::log::Clock;

const NOW_MS: u64 = 1_620_240_001_000;

fn view(uuid: &str) -> String {
    format!(r#"{{"event":"view","uuid":"{uuid}","projectId":"p","deviceTimestamp":1}}"#)
}

fn record(sequence: u64, data: impl Into<Bytes>) -> Record {
    Record { sequence: sequence.to_string(), arrival_ms: NOW_MS + sequence, data: data.into() }
}

/// The clocks of the events in records, after `NOW_MS`, and how many are rejected.
fn decoded(records: &[Record]) -> (Vec<u64>, usize) {
    let Decoded { lines, events, rejected } =
        Decoded::of(records, &Clock::system().followed().1, 300);
    assert_eq!(lines.len(), events.samples.len() + events.tracking.len());
    (events.tracking.iter().map(|event| event.clock - NOW_MS).collect(), rejected)
}

/// Two user records as the Kinesis Producer Library puts them together.
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
fn a_record_is_an_event_or_lines_of_them_or_several_records_each() {
    let one = record(1, view("a"));
    let lines = record(3, format!("{}\n{}", view("c"), view("d")));
    assert_eq!(decoded(&[one, lines]), (vec![1, 3, 3], 0));
    assert_eq!(decoded(&[record(4, aggregated())]), (vec![4, 4], 0));
}

#[test]
fn arrivals_never_go_back_and_neither_do_clocks() {
    assert_eq!(decoded(&[record(9, view("a")), record(3, view("b"))]), (vec![9, 9], 0));
}

#[test]
fn what_is_no_event_is_rejected_alone_and_kept_as_a_dead_letter() {
    let records = [
        record(1, format!("no\n{}\n{{}}", view("a"))),
        record(2, vec![0xff]),
        record(3, view("b")),
    ];
    assert_eq!(decoded(&records), (vec![1, 3], 3));
    let root = tempfile::tempdir().unwrap();
    let letters =
        DeadLetters::open(root.path(), Clock::manual(NOW_MS).0, &Health::default()).unwrap();
    bury(&records, "shardId-0", 300, &letters);
    let spooled = std::fs::read_dir(root.path().join("rejected")).unwrap().next().unwrap().unwrap();
    let text = std::fs::read_to_string(spooled.path()).unwrap();
    let kept: Vec<_> = text
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
    let expected = [("1", "bm8=", 1), ("1", "e30=", 1), ("2", "/w==", 2)];
    let expected = expected.map(|(sequence, data, ms)| (sequence.to_owned(), data.to_owned(), ms));
    assert_eq!(kept, expected);
}
