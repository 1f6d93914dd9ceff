//! A stream as the input of a replay: which records are read, and with how many calls.

use std::io::Read;
use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::super::replay::RecordedStream;
use super::fake::Fake;
use super::harness::{iterator, shards, summary, views};
use crate::ingest::inputs::PartSource;
use crate::log::Clock;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
/// The arrivals that a response covers.
const RESPONSE_MS: u64 = 5 * MINUTE_MS;

/// A shard as a server has it.
#[derive(Clone, Debug)]
struct Shard {
    id: String,
    /// The arrivals of its records, which are their sequence numbers, too.
    arrivals: Vec<u64>,
    closed_ms: Option<u64>,
}

/// Responds like a stream with these shards that was created at `created_ms`. An iterator is a shard and
/// a time.
fn respond(shards: &[Shard], created_ms: u64, name: &str, body: &Value) -> (u16, Value) {
    let find = |id: &str| shards.iter().find(|shard| shard.id == id).unwrap();
    match name {
        "DescribeStreamSummary" => summary(created_ms),
        "ListShards" => {
            let shard = |shard: &Shard| {
                json!({
                    "ShardId": shard.id,
                    "SequenceNumberRange": {
                        "StartingSequenceNumber": "0",
                        "EndingSequenceNumber": shard.closed_ms.map(|ms| ms.to_string()),
                    },
                    "HashKeyRange": { "StartingHashKey": "0", "EndingHashKey": "9" },
                })
            };
            (200, json!({ "Shards": shards.iter().map(shard).collect::<Vec<_>>() }))
        }
        "GetShardIterator" => {
            let from_ms = match body["ShardIteratorType"].as_str().unwrap() {
                "TRIM_HORIZON" => {
                    let shard = find(body["ShardId"].as_str().unwrap());
                    let horizon_ms = created_ms.max(Clock::system().now() - 24 * HOUR_MS);
                    shard.arrivals.first().copied().unwrap_or(horizon_ms)
                }
                "AT_TIMESTAMP" => (body["Timestamp"].as_f64().unwrap() * 1_000.0).round() as u64,
                _ => body["StartingSequenceNumber"].as_str().unwrap().parse::<u64>().unwrap() + 1,
            };
            (
                200,
                json!({ "ShardIterator": format!("{}/{from_ms}", body["ShardId"].as_str().unwrap()) }),
            )
        }
        _ => {
            let (id, from_ms) = body["ShardIterator"].as_str().unwrap().split_once('/').unwrap();
            let (shard, from_ms, now_ms) =
                (find(id), from_ms.parse::<u64>().unwrap(), Clock::system().now());
            let end_ms = shard.closed_ms.unwrap_or(now_ms);
            let limit = body["Limit"].as_u64().unwrap_or(10_000) as usize;
            let mut to_ms = end_ms.min(from_ms + RESPONSE_MS);
            let within = shard.arrivals.iter().copied().filter(|ms| (from_ms..to_ms).contains(ms));
            let arrivals: Vec<_> = within.take(limit).collect();
            if arrivals.len() == limit {
                to_ms = arrivals.last().unwrap() + 1;
            }
            let (status, mut response) = views(id, &arrivals, now_ms.saturating_sub(to_ms));
            let is_drained = shard.closed_ms.is_some() && to_ms >= end_ms;
            let next = (!is_drained).then(|| format!("{id}/{to_ms}"));
            response["NextShardIterator"] = json!(next);
            (status, response)
        }
    }
}

/// Starts a server with these shards. Returns it with the stream.
async fn start(shards: Vec<Shard>, created_ms: u64) -> (Fake, RecordedStream) {
    let (fake, stream) =
        Fake::start(move |name, body, _| respond(&shards, created_ms, name, body)).await;
    (fake, RecordedStream::open(stream, Handle::current()).await.unwrap())
}

/// The shards and arrivals of the records in these parts, in order.
fn read(stream: &RecordedStream, parts: impl Iterator<Item = u64>) -> Vec<String> {
    parts.flat_map(|part| lines(stream.open(part).unwrap())).collect()
}

fn lines(mut reader: Box<dyn Read>) -> Vec<String> {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let uuid = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["uuid"].as_str().unwrap().to_owned()
    };
    text.lines().map(uuid).collect()
}

/// Runs `work` on a thread that does not belong to the runtime.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// A shard with records in the first and in the last minutes of two hours.
fn quiet(now_ms: u64) -> (Shard, Vec<String>) {
    let begin_ms = now_ms - 2 * HOUR_MS;
    let arrivals =
        vec![begin_ms + 1, begin_ms + MINUTE_MS, now_ms - 2 * MINUTE_MS, now_ms - MINUTE_MS];
    let uuids = arrivals.iter().map(|ms| format!("a-{ms}")).collect();
    (Shard { id: "a".to_owned(), arrivals, closed_ms: None }, uuids)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_stream_is_read_with_calls_in_proportion_to_its_length() {
    let now_ms = Clock::system().now();
    let (shard, expected) = quiet(now_ms);
    let (fake, stream) = start(vec![shard], now_ms - 2 * HOUR_MS).await;
    let found = blocking(move || read(&stream, 0..stream.parts())).await;
    assert_eq!(found, expected);
    // 24 responses cover the two hours.
    let calls = fake.calls("GetRecords").len();
    assert!((24..=26).contains(&calls), "{calls} calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_are_read_at_the_same_time_or_by_two_processes_have_each_record_once() {
    let now_ms = Clock::system().now();
    let (shard, expected) = quiet(now_ms);
    let created_ms = now_ms - 2 * HOUR_MS;
    let (fake, stream) = start(vec![shard.clone()], created_ms).await;
    let found = blocking(move || {
        let mut found: Vec<_> = thread::scope(|scope| {
            let stream = &stream;
            let worker =
                |worker| scope.spawn(move || read(stream, (worker..stream.parts()).step_by(2)));
            [0, 1].map(worker).into_iter().flat_map(|worker| worker.join().unwrap()).collect()
        });
        found.sort();
        found
    })
    .await;
    assert_eq!(found, expected);
    let calls = fake.calls("GetRecords").len();
    assert!((24..=48).contains(&calls), "{calls} calls");
    // Another process has its own state.
    let (_, one) = start(vec![shard.clone()], created_ms).await;
    let (_, other) = start(vec![shard], created_ms).await;
    let found = blocking(move || {
        let mut found = read(&one, (0..one.parts()).step_by(2));
        found.extend(read(&other, (1..other.parts()).step_by(2)));
        found.sort();
        found
    })
    .await;
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_stream_with_many_closed_shards_starts_fast() {
    let now_ms = Clock::system().now();
    let created_ms = now_ms - 3 * 365 * 24 * HOUR_MS;
    // Most closed shards have expired. A few have a record, half a day ago.
    let first_ms = now_ms - 12 * HOUR_MS;
    let shard = |number: u64| Shard {
        id: format!("{number:03}"),
        arrivals: (number < 5).then_some(first_ms + number * HOUR_MS).into_iter().collect(),
        closed_ms: match number {
            0..5 => Some(first_ms + number * HOUR_MS + MINUTE_MS),
            5..300 => Some(now_ms - 48 * HOUR_MS),
            _ => None,
        },
    };
    let shards: Vec<_> = (0..301).map(shard).collect();
    let mut open = shards[300].clone();
    open.arrivals = vec![now_ms - MINUTE_MS];
    // The open shard is not older than ten minutes.
    let is_open = |body: &Value| {
        body["ShardId"] == "300"
            || body["ShardIterator"].as_str().is_some_and(|i| i.starts_with("300"))
    };
    let (fake, stream) = Fake::start(move |name, body, _| match name {
        "GetShardIterator" if is_open(body) => {
            (200, json!({ "ShardIterator": format!("300/{}", now_ms - 10 * MINUTE_MS) }))
        }
        "GetRecords" if is_open(body) => respond(&[open.clone()], created_ms, name, body),
        _ => respond(&shards, created_ms, name, body),
    })
    .await;
    let stream = Arc::new(RecordedStream::open(stream, Handle::current()).await.unwrap());
    // Two days of slices, although the stream is three years old.
    assert!(stream.parts() <= 2 * 48 * 301, "{} parts", stream.parts());
    let found = blocking(move || read(&stream, 0..stream.parts())).await;
    let mut expected: Vec<_> =
        (0..5).map(|number| format!("{number:03}-{}", first_ms + number * HOUR_MS)).collect();
    expected.push(format!("300-{}", now_ms - MINUTE_MS));
    assert_eq!(found, expected);
    let calls = fake.calls("GetRecords").len();
    assert!(calls <= 300 + 5 * 2 + 6, "{calls} calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_ends_at_the_start_of_the_run_although_the_stream_is_never_read_to_its_end() {
    let now_ms = Clock::system().now();
    let created_ms = now_ms - MINUTE_MS;
    // Records arrive all the time, or there are always some ms left.
    for (is_busy, expected) in [(true, 1), (false, 0)] {
        let (_, stream) = Fake::start(move |name, body, number| match (name, number) {
            ("DescribeStreamSummary", _) => summary(created_ms),
            ("ListShards", _) => shards(&["a"]),
            ("GetShardIterator", _) => iterator(body),
            (_, 0) if is_busy => views("a", &[created_ms], 10_000),
            _ if is_busy => views("a", &[Clock::system().now()], 1),
            _ => views("a", &[], 1),
        })
        .await;
        let stream = RecordedStream::open(stream, Handle::current()).await.unwrap();
        let found = blocking(move || read(&stream, 0..stream.parts())).await;
        assert_eq!(found.len(), expected, "{found:?}");
    }
}
