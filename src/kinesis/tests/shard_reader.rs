//! Reading one shard: its pace, and where it resumes after failures.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::shard_reader::{Batch, Record, ShardReader};
use super::super::start::Start;
use super::super::stream::Stream;
use super::super::stream_error::StreamError;
use super::fake::{Fake, error};
use crate::log::Clock;

/// The time on the wall clock.
const NOW_MS: u64 = 1_620_240_001_000;

fn reader(stream: Stream, start: Start) -> ShardReader {
    ShardReader::new(stream, "shardId-000000000000".to_owned(), start, Clock::manual(NOW_MS).0)
}

/// A response with these records. A record's number is its sequence number, and its arrival in ms after
/// `NOW_MS`.
fn records(numbers: &[u64], behind_ms: u64) -> (u16, Value) {
    let record = |number: &u64| {
        let arrival = NOW_MS as f64 / 1_000.0 + *number as f64 / 1_000.0;
        json!({
            "SequenceNumber": number.to_string(), "ApproximateArrivalTimestamp": arrival,
            "Data": "eA==", "PartitionKey": "1",
        })
    };
    let records: Vec<_> = numbers.iter().map(record).collect();
    let next = "next";
    (200, json!({ "Records": records, "NextShardIterator": next, "MillisBehindLatest": behind_ms }))
}

fn iterator() -> (u16, Value) {
    (200, json!({ "ShardIterator": "first" }))
}

fn sequences(batch: &Batch) -> Vec<&str> {
    batch.records.iter().map(|record| record.sequence.as_str()).collect()
}

#[tokio::test]
async fn returns_records_with_their_arrivals_until_the_shard_is_closed() {
    let (fake, stream) = Fake::start(|name, body, number| match (name, number) {
        ("GetShardIterator", _) => iterator(),
        (_, 0) => {
            assert_eq!(body["ShardIterator"], "first");
            records(&[1, 2], 5_000)
        }
        _ => {
            assert_eq!(body["ShardIterator"], "next");
            (200, json!({ "Records": [], "MillisBehindLatest": 0 }))
        }
    })
    .await;
    let mut reader = reader(stream, Start::TrimHorizon);
    let batch = reader.next().await.unwrap();
    let record = |number: u64| Record {
        sequence: number.to_string(),
        arrival_ms: NOW_MS + number,
        data: "x".into(),
    };
    let records = vec![record(1), record(2)];
    let expected = Batch { records, behind_ms: 5_000, polled_ms: NOW_MS, is_closed: false };
    assert_eq!(batch, expected);
    let last = Batch { records: vec![], behind_ms: 0, polled_ms: NOW_MS, is_closed: true };
    assert_eq!(reader.next().await.unwrap(), last);
    let asked = &fake.calls("GetShardIterator")[0].body;
    assert_eq!(asked["ShardIteratorType"], "TRIM_HORIZON");
    assert_eq!(asked["ShardId"], "shardId-000000000000");
    assert_eq!(asked["StreamName"], "races");
}

#[tokio::test]
async fn polls_five_times_a_second_and_three_times_at_the_end() {
    for (behind_ms, least_ms) in [(1, 200), (0, 334)] {
        let script = move |name: &str, _: &Value, number: usize| match name {
            "GetShardIterator" => iterator(),
            _ => records(&[number as u64], behind_ms),
        };
        let (fake, stream) = Fake::start(script).await;
        let mut reader = reader(stream, Start::TrimHorizon);
        for _ in 0..3 {
            reader.next().await.unwrap();
        }
        let calls = fake.calls("GetRecords");
        let least = Duration::from_millis(2 * least_ms);
        // The time until a call reaches the server varies.
        let passed = calls[2].at - calls[0].at + Duration::from_millis(50);
        assert!(passed >= least, "{passed:?} of {least:?}");
    }
}

#[tokio::test]
async fn throttled_calls_return_errors_and_are_retried_with_backoff_and_the_same_iterator() {
    const CODES: [&str; 3] = [
        "ProvisionedThroughputExceededException",
        "KMSThrottlingException",
        "LimitExceededException",
    ];
    let (fake, stream) = Fake::start(|name, _, number| match (name, CODES.get(number)) {
        ("GetShardIterator", _) => iterator(),
        (_, Some(code)) => error(code, "slow down"),
        _ => records(&[1], 0),
    })
    .await;
    let mut reader = reader(stream, Start::TrimHorizon);
    let began = Instant::now();
    for code in CODES {
        let error = reader.next().await.unwrap_err();
        assert!(matches!(error, StreamError::Throttled { .. }), "{error:?}");
        assert_eq!(
            error.to_string(),
            format!(
                "kinesis:GetRecords on stream 'races' in region 'us-east-1' is throttled: {code}: slow down"
            )
        );
    }
    assert_eq!(sequences(&reader.next().await.unwrap()), ["1"]);
    // At least the interval, and half of each backoff.
    assert!(began.elapsed() >= Duration::from_millis(200 + 200 + 400));
    let is_first = |call: &super::fake::Call| call.body["ShardIterator"] == "first";
    assert!(fake.calls("GetRecords").iter().all(is_first));
    assert_eq!(fake.calls("GetShardIterator").len(), 1);
}

/// The requests for iterators of a reader whose first iterator, and the one after the first response,
/// expire.
async fn iterators(start: Start) -> Vec<Value> {
    let (fake, stream) = Fake::start(|name, _, number| match (name, number) {
        ("GetShardIterator", _) => iterator(),
        (_, 0 | 2) => error("ExpiredIteratorException", "expired"),
        (_, number) => records(&[number as u64], 0),
    })
    .await;
    let mut reader = reader(stream, start);
    assert_eq!(sequences(&reader.next().await.unwrap()), ["1"]);
    assert_eq!(sequences(&reader.next().await.unwrap()), ["3"]);
    fake.calls("GetShardIterator").into_iter().map(|call| call.body).collect()
}

#[tokio::test]
async fn an_expired_iterator_is_replaced_after_the_last_record_and_never_at_the_latest() {
    let types = |calls: &[Value]| -> Vec<_> {
        calls.iter().map(|call| call["ShardIteratorType"].as_str().unwrap().to_owned()).collect()
    };
    let horizon = iterators(Start::TrimHorizon).await;
    assert_eq!(types(&horizon), ["TRIM_HORIZON", "TRIM_HORIZON", "AFTER_SEQUENCE_NUMBER"]);
    assert_eq!(horizon[2]["StartingSequenceNumber"], "1");

    let latest = iterators(Start::Latest).await;
    assert_eq!(types(&latest), ["LATEST", "AT_TIMESTAMP", "AFTER_SEQUENCE_NUMBER"]);
    // Earlier by the largest possible error of this machine's clock.
    assert_eq!(latest[1]["Timestamp"].as_f64(), Some((NOW_MS - 300_000) as f64 / 1_000.0));

    let after = iterators(Start::After("0".to_owned())).await;
    let numbers: Vec<_> = after.iter().map(|call| &call["StartingSequenceNumber"]).collect();
    assert_eq!(numbers, ["0", "0", "1"]);
}

#[tokio::test]
async fn a_start_in_the_future_is_requested_as_now() {
    let at = iterators(Start::At(NOW_MS + 60_000)).await;
    assert_eq!(at[0]["Timestamp"].as_f64(), Some(NOW_MS as f64 / 1_000.0));
}

#[tokio::test]
async fn a_rejected_iterator_is_replaced() {
    let (fake, stream) = Fake::start(|name, _, number| match (name, number) {
        ("GetShardIterator", _) => iterator(),
        (_, 0) => error("InvalidArgumentException", "Invalid ShardIterator."),
        _ => records(&[1], 0),
    })
    .await;
    let mut reader = reader(stream, Start::TrimHorizon);
    assert!(matches!(reader.next().await, Err(StreamError::Failed { .. })));
    assert_eq!(sequences(&reader.next().await.unwrap()), ["1"]);
    assert_eq!(fake.calls("GetShardIterator").len(), 2);
}
