//! A whole source against a stream that a test makes up.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use velodrome_dataflows::Rules;

use super::super::Sinks;
use super::super::Start;
use super::super::lineage::Shard;
use super::super::positions::Positions;
use super::super::source::Source;
use super::super::stream::{Stream, Summary};
use super::fake::{Fake, error};
use crate::dead_letters::DeadLetters;
use crate::health::Health;
use crate::log::{self, Clock};
use crate::store::Directory;

const DISTANCE_MS: u64 = 30_000;
const RETENTION_MS: u64 = 86_400_000;

/// A source that runs, and what it came to.
struct Running {
    dir: tempfile::TempDir,
    clock: Clock,
    health: Health,
    stop: watch::Sender<bool>,
    log: log::Log<crate::engine::Events>,
    task: JoinHandle<()>,
}

fn summary(created_ms: u64) -> (u16, Value) {
    let summary = json!({
        "StreamName": "races", "StreamARN": "arn", "StreamStatus": "ACTIVE",
        "RetentionPeriodHours": 24, "StreamCreationTimestamp": created_ms as f64 / 1_000.0,
        "EnhancedMonitoring": [], "OpenShardCount": 2,
    });
    (200, json!({ "StreamDescriptionSummary": summary }))
}

fn shards(ids: &[&str]) -> (u16, Value) {
    let shard = |id: &&str| {
        json!({
            "ShardId": id, "SequenceNumberRange": { "StartingSequenceNumber": "0" },
            "HashKeyRange": { "StartingHashKey": "0", "EndingHashKey": "9" },
        })
    };
    (200, json!({ "Shards": ids.iter().map(shard).collect::<Vec<_>>() }))
}

/// An answer with a view for each arrival, `behind_ms` behind the latest.
fn views(shard: &str, arrivals: &[u64], behind_ms: u64) -> (u16, Value) {
    use base64::Engine;
    let record = |ms: &u64| {
        let text = format!(
            r#"{{"event":"view","uuid":"{shard}-{ms}","projectId":"p","deviceTimestamp":{ms}}}"#
        );
        json!({
            "SequenceNumber": ms.to_string(), "ApproximateArrivalTimestamp": *ms as f64 / 1_000.0,
            "Data": base64::prelude::BASE64_STANDARD.encode(text), "PartitionKey": "1",
        })
    };
    let records: Vec<_> = arrivals.iter().map(record).collect();
    (
        200,
        json!({ "Records": records, "NextShardIterator": shard, "MillisBehindLatest": behind_ms }),
    )
}

impl Running {
    /// Reads `stream`, whose shards are `ids`, from its oldest record on.
    fn start(stream: Stream, ids: &[&str], created_ms: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (clock, time) = Clock::system().followed();
        let archive = Arc::new(Directory::new(dir.path().join("archive")));
        let health = Health::default();
        let log = log::open(dir.path(), archive, clock.clone()).unwrap();
        let log = log.start(health.part("archive"), |_| ()).unwrap();
        let letters = DeadLetters::open(dir.path(), clock.clone(), &health).unwrap();
        let (_, rules) = watch::channel(Arc::new(Rules::default().into()));
        let sinks = Sinks { log: log.clone(), letters, rules };
        let shard = |id: &&str| Shard { id: (*id).to_owned(), parents: Vec::new(), is_open: true };
        let listed: Vec<_> = ids.iter().map(shard).collect();
        let source = Source {
            stream,
            summary: Summary { created_ms, retention_ms: RETENTION_MS, open_shards: ids.len() },
            data: dir.path().to_owned(),
            positions: Positions::begin("races", created_ms, &listed, &Start::TrimHorizon, 0),
            is_at_latest: false,
            time,
        };
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(source.run(sinks, health.part("source"), stopped));
        Self { dir, clock, health, stop, log, task }
    }

    async fn wait_for(&self, what: &str, is_there: impl Fn(&Self) -> bool) {
        let waited = tokio::time::timeout(Duration::from_secs(30), async {
            while !is_there(self) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("waited in vain: {what}: {:?}", self.logged()));
    }

    /// Uuid and arrival of each event in the log.
    fn logged(&self) -> Vec<(String, u64)> {
        logged(self.dir.path())
    }

    async fn stop(self) -> Vec<(String, u64)> {
        self.stop.send_replace(true);
        self.task.await.unwrap();
        tokio::task::spawn_blocking(|| self.log.close()).await.unwrap();
        logged(self.dir.path())
    }
}

/// What is in the archive and in the log, where segments of more than a minute become objects meanwhile.
fn logged(dir: &Path) -> Vec<(String, u64)> {
    let mut text = String::new();
    for path in [files(&dir.join("archive")), files(&dir.join("log"))].concat() {
        let Ok(file) = File::open(&path) else { continue };
        let read = match path.extension().is_some_and(|end| end == "gz") {
            true => GzDecoder::new(file).read_to_string(&mut text),
            false => BufReader::new(file).read_to_string(&mut text),
        };
        read.unwrap_or_default();
    }
    let read = |line: &str| {
        let event: Value = serde_json::from_str(line).ok()?;
        Some((event["uuid"].as_str()?.to_owned(), event["arrivalTimestamp"].as_u64()?))
    };
    text.lines().filter_map(read).collect()
}

/// The files below a directory, sorted.
fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    let mut files: Vec<_> = entries.flat_map(|entry| below(entry.unwrap().path())).collect();
    files.sort();
    files
}

fn iterator(body: &Value) -> (u16, Value) {
    (200, json!({ "ShardIterator": body["ShardId"] }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_waits_where_it_is_far_ahead_of_the_slowest_and_arrivals_stay_as_they_are() {
    let base_ms = Clock::system().now() - 3_600_000;
    let at = move |seconds: u64| base_ms + seconds * 1_000;
    let asked = AtomicUsize::new(0);
    let (_, stream) = Fake::start(move |name, body, _| match name {
        "DescribeStreamSummary" => summary(base_ms),
        "ListShards" => shards(&["fast", "slow"]),
        "GetShardIterator" => iterator(body),
        _ if body["ShardIterator"] == "fast" => {
            views("fast", &[at(0), at(10), at(40), at(100), at(500)], 3_000_000)
        }
        // Nothing though there is more, twice; then one after the other.
        _ => match asked.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => views("slow", &[], 3_600_000),
            2 => views("slow", &[at(50)], 3_000_000),
            3 => views("slow", &[at(90)], 3_000_000),
            4 => views("slow", &[at(95)], 3_000_000),
            _ => views("slow", &[], 3_500_000),
        },
    })
    .await;
    let running = Running::start(stream, &["fast", "slow"], base_ms);
    let is_there = |running: &Running, uuid: String| {
        running.logged().iter().any(|(logged, _)| *logged == uuid)
    };
    running
        .wait_for("all that may be taken is", |running| {
            is_there(running, format!("slow-{}", at(95)))
                && is_there(running, format!("fast-{}", at(100)))
        })
        .await;
    let logged = running.stop().await;
    let place = |uuid: String| logged.iter().position(|(logged, _)| *logged == uuid);
    let fast = |seconds| place(format!("fast-{}", at(seconds)));
    let slow = |seconds| place(format!("slow-{}", at(seconds)));
    assert!(fast(10).unwrap() < fast(40).unwrap(), "{logged:?}");
    assert!(slow(50).unwrap() < fast(100).unwrap(), "{logged:?}");
    assert!(slow(90).unwrap() < slow(95).unwrap(), "{logged:?}");
    assert_eq!(fast(500), None, "{logged:?}");
    for (uuid, arrival_ms) in &logged {
        let own_ms: u64 = uuid.split_once('-').unwrap().1.parse().unwrap();
        // A log raises what comes after greater arrivals, but no further than shards are apart.
        assert!((own_ms..=own_ms + DISTANCE_MS).contains(arrival_ms), "{logged:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_is_the_last_arrival_and_once_all_is_read_the_time_of_the_polls() {
    let now_ms = Clock::system().now();
    let old_ms = now_ms - 3_600_000;
    let (fake, stream) = Fake::start(move |name, body, number| match (name, number) {
        ("DescribeStreamSummary", _) => summary(old_ms),
        ("ListShards", _) => shards(&["a"]),
        ("GetShardIterator", _) => iterator(body),
        (_, 0) => views("a", &[old_ms], 1_000),
        (_, 1..=3) => views("a", &[], 1_000),
        _ => views("a", &[], 0),
    })
    .await;
    let running = Running::start(stream, &["a"], old_ms);
    running.wait_for("it is taken", |running| running.clock.now() >= old_ms).await;
    while fake.calls("GetRecords").len() < 4 {
        assert!(running.clock.now() < old_ms + 100);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.wait_for("it is the present", |running| running.clock.now() >= now_ms).await;
    assert_eq!(running.stop().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_some_seconds_is_told_and_goes_once_the_stream_is_read_again() {
    let now_ms = Clock::system().now();
    let is_back = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_back);
    let (_, stream) = Fake::start(move |name, body, _| match name {
        "DescribeStreamSummary" => summary(now_ms),
        "ListShards" => shards(&["a"]),
        "GetShardIterator" => iterator(body),
        _ if told.load(Ordering::SeqCst) => views("a", &[now_ms], 0),
        _ => error("AccessDeniedException", "not yours"),
    })
    .await;
    let running = Running::start(stream, &["a"], now_ms);
    running.wait_for("it is told", |running| !running.health.faults().is_empty()).await;
    let faults = running.health.faults();
    assert!(faults[0].starts_with("source: no permission for kinesis:GetRecords on"), "{faults:?}");
    is_back.store(true, Ordering::SeqCst);
    running.wait_for("it is well", |running| running.health.faults().is_empty()).await;
    running.wait_for("it is taken", |running| !running.logged().is_empty()).await;
    running.stop().await;
}
