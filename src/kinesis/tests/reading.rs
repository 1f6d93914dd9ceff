//! One shard is read at its pace, and goes on where it was after whatever fails.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::Start;
use super::super::shard::{Batch, Record, ShardReader};
use super::super::stream::{Stream, StreamError};
use super::fake::{Fake, error, stream};
use crate::log::Clock;

/// What the wall's clock shows.
const NOW_MS: u64 = 1_620_240_001_000;

fn reader(stream: Stream, start: Start) -> ShardReader {
    ShardReader::new(stream, "shardId-000000000000".to_owned(), start, Clock::manual(NOW_MS).0)
}

/// An answer with records of these sequence numbers, each of which arrived so many ms after `NOW_MS`.
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
async fn records_come_in_order_with_their_arrivals_until_the_shard_is_closed() {
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
async fn a_shard_is_called_five_times_a_second_where_it_is_behind_and_three_times_where_all_is_read()
 {
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
        // What comes before the server sees a call takes more or less long.
        let passed = calls[2].at - calls[0].at + Duration::from_millis(50);
        assert!(passed >= least, "{passed:?} of {least:?}");
    }
}

#[tokio::test]
async fn throttled_calls_are_told_and_made_again_with_the_same_iterator_after_longer_waits() {
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
        let told = reader.next().await.unwrap_err();
        assert!(matches!(told, StreamError::Throttled { .. }), "{told:?}");
        assert_eq!(
            told.to_string(),
            format!(
                "kinesis:GetRecords on stream 'races' in region 'us-east-1' is throttled: {code}: slow down"
            )
        );
    }
    assert_eq!(sequences(&reader.next().await.unwrap()), ["1"]);
    // At the least the pace, and half of each wait.
    assert!(began.elapsed() >= Duration::from_millis(200 + 200 + 400));
    let is_first = |call: &super::fake::Call| call.body["ShardIterator"] == "first";
    assert!(fake.calls("GetRecords").iter().all(is_first));
    assert_eq!(fake.calls("GetShardIterator").len(), 1);
}

/// How iterators were asked for when the first one and the one after the first answer expired.
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
async fn an_expired_iterator_goes_on_behind_the_last_record_and_never_skips_to_the_latest() {
    let types = |calls: &[Value]| -> Vec<_> {
        calls.iter().map(|call| call["ShardIteratorType"].as_str().unwrap().to_owned()).collect()
    };
    let horizon = iterators(Start::TrimHorizon).await;
    assert_eq!(types(&horizon), ["TRIM_HORIZON", "TRIM_HORIZON", "AFTER_SEQUENCE_NUMBER"]);
    assert_eq!(horizon[2]["StartingSequenceNumber"], "1");

    let latest = iterators(Start::Latest).await;
    assert_eq!(types(&latest), ["LATEST", "AT_TIMESTAMP", "AFTER_SEQUENCE_NUMBER"]);
    // As far back as this machine's clock may be ahead.
    assert_eq!(latest[1]["Timestamp"].as_f64(), Some((NOW_MS - 300_000) as f64 / 1_000.0));

    let after = iterators(Start::After("0".to_owned())).await;
    let numbers: Vec<_> = after.iter().map(|call| &call["StartingSequenceNumber"]).collect();
    assert_eq!(numbers, ["0", "0", "1"]);
}

#[tokio::test]
async fn a_time_to_come_is_asked_for_as_the_present() {
    let at = iterators(Start::At(NOW_MS + 60_000)).await;
    assert_eq!(at[0]["Timestamp"].as_f64(), Some(NOW_MS as f64 / 1_000.0));
}

#[tokio::test]
async fn what_stands_in_the_way_is_told_in_one_line_that_names_stream_and_region() {
    for (code, expected) in [
        (
            "ResourceNotFoundException",
            "no such stream 'races' in region 'us-east-1': ResourceNotFoundException: why; create it, or \
             set AWS_REGION to the region that it is in",
        ),
        (
            "AccessDeniedException",
            "no permission for kinesis:GetShardIterator on stream 'races' in region 'us-east-1': \
             AccessDeniedException: why; allow it to these credentials",
        ),
        (
            "InvalidArgumentException",
            "kinesis:GetShardIterator on stream 'races' in region 'us-east-1' failed: \
             InvalidArgumentException: why",
        ),
    ] {
        let (_, stream) = Fake::start(move |_, _, _| error(code, "why")).await;
        let told = reader(stream, Start::TrimHorizon).next().await.unwrap_err();
        assert_eq!(told.to_string(), expected);
    }
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut reader = reader(stream(&format!("http://{gone}")), Start::TrimHorizon);
    let told = reader.next().await.unwrap_err().to_string();
    let expected = "cannot reach Kinesis for stream 'races' in region 'us-east-1': no connection: ";
    assert!(told.starts_with(expected), "{told}");
}

#[tokio::test]
async fn an_iterator_that_is_refused_is_made_anew() {
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

#[tokio::test]
async fn a_stream_is_described_and_its_shards_are_listed_page_by_page() {
    let (_, stream) = Fake::start(|name, body, number| match (name, number) {
        ("DescribeStreamSummary", _) => {
            let summary = json!({
                "StreamName": "races", "StreamARN": "arn", "StreamStatus": "ACTIVE",
                "RetentionPeriodHours": 24, "StreamCreationTimestamp": 1_620_240_001.5,
                "EnhancedMonitoring": [], "OpenShardCount": 2,
            });
            (200, json!({ "StreamDescriptionSummary": summary }))
        }
        (_, 0) => {
            assert_eq!(body["StreamName"], "races");
            let ended = json!({ "StartingSequenceNumber": "0", "EndingSequenceNumber": "9" });
            let keys = json!({ "StartingHashKey": "0", "EndingHashKey": "9" });
            let shard =
                json!({ "ShardId": "b", "HashKeyRange": keys, "SequenceNumberRange": ended });
            (200, json!({ "Shards": [shard], "NextToken": "more" }))
        }
        _ => {
            assert_eq!((&body["StreamName"], &body["NextToken"]), (&Value::Null, &json!("more")));
            let open = json!({ "StartingSequenceNumber": "0" });
            let keys = json!({ "StartingHashKey": "0", "EndingHashKey": "9" });
            let shard = json!({
                "ShardId": "a", "ParentShardId": "b", "AdjacentParentShardId": "c",
                "HashKeyRange": keys, "SequenceNumberRange": open,
            });
            (200, json!({ "Shards": [shard] }))
        }
    })
    .await;
    let summary = stream.describe().await.unwrap();
    assert_eq!(
        (summary.created_ms, summary.retention_ms, summary.open_shards),
        (1_620_240_001_500, 86_400_000, 2)
    );
    let shards = stream.shards().await.unwrap();
    let shards: Vec<_> = shards.iter().map(|s| (&s.id[..], s.parents.len(), s.is_open)).collect();
    assert_eq!(shards, [("a", 2, true), ("b", 0, false)]);
}
