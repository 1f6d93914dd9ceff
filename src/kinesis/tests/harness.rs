//! A running source, and the scripted responses of its stream.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use velodrome_dataflows::Rules;

use super::super::config::Sinks;
use super::super::positions::Positions;
use super::super::shards::Shard;
use super::super::source::Source;
use super::super::start::Start;
use super::super::stream::{Stream, Summary};
use crate::dead_letters::DeadLetterQueue;
use crate::health::Health;
use crate::log::{self, Clock};
use crate::store::Directory;

const RETENTION_MS: u64 = 86_400_000;

/// A running source with its data directory.
pub(super) struct RunningSource {
    dir: tempfile::TempDir,
    pub(super) clock: Clock,
    pub(super) health: Health,
    stop: watch::Sender<bool>,
    log: log::Log<crate::engine::Events>,
    task: JoinHandle<()>,
}

pub(super) fn summary(created_ms: u64) -> (u16, Value) {
    let summary = json!({
        "StreamName": "races", "StreamARN": "arn", "StreamStatus": "ACTIVE",
        "RetentionPeriodHours": 24, "StreamCreationTimestamp": created_ms as f64 / 1_000.0,
        "EnhancedMonitoring": [], "OpenShardCount": 2,
    });
    (200, json!({ "StreamDescriptionSummary": summary }))
}

pub(super) fn shards(ids: &[&str]) -> (u16, Value) {
    let shard = |id: &&str| {
        json!({
            "ShardId": id, "SequenceNumberRange": { "StartingSequenceNumber": "0" },
            "HashKeyRange": { "StartingHashKey": "0", "EndingHashKey": "9" },
        })
    };
    (200, json!({ "Shards": ids.iter().map(shard).collect::<Vec<_>>() }))
}

/// A response with a view for each arrival, `behind_ms` before the newest record.
pub(super) fn views(shard: &str, arrivals: &[u64], behind_ms: u64) -> (u16, Value) {
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

impl RunningSource {
    /// Reads `stream`, whose shards are `ids`, from its oldest record.
    pub(super) fn start(stream: Stream, ids: &[&str], created_ms: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (clock, time) = Clock::system().following_source();
        let archive = Arc::new(Directory::new(dir.path().join("archive")));
        let health = Health::default();
        let log = log::open(dir.path(), archive, clock.clone(), false).unwrap();
        let log = log.start(health.component("archive"), log::AdmitAll, |_| ()).unwrap();
        let dead_letters = DeadLetterQueue::open(dir.path(), clock.clone(), &health).unwrap();
        let (_, rules) = watch::channel(Arc::new(Rules::default().into()));
        let sinks = Sinks { log: log.clone(), dead_letters, rules };
        let shard = |id: &&str| Shard { id: (*id).to_owned(), parents: Vec::new(), is_open: true };
        let listed: Vec<_> = ids.iter().map(shard).collect();
        let source = Source {
            stream,
            summary: Summary {
                created_ms,
                retention_ms: RETENTION_MS,
                open_shards: ids.len(),
                clock_offset_ms: 0,
            },
            data: dir.path().to_owned(),
            positions: Positions::new("races", created_ms, &listed, &Start::TrimHorizon, 0),
            is_new: true,
            is_at_latest: false,
            time,
        };
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(source.run(sinks, health.component("source"), stopped));
        Self { dir, clock, health, stop, log, task }
    }

    pub(super) async fn wait_for(&self, what: &str, is_there: impl Fn(&Self) -> bool) {
        let waited = tokio::time::timeout(Duration::from_secs(30), async {
            while !is_there(self) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("timed out: {what}: {:?}", self.logged()));
    }

    /// Uuid and arrival of each event in the log.
    pub(super) fn logged(&self) -> Vec<(String, u64)> {
        logged(self.dir.path())
    }

    /// Stops the source and closes the log. Returns the events in the log.
    pub(super) async fn stop(self) -> Vec<(String, u64)> {
        self.stop.send_replace(true);
        self.task.await.unwrap();
        tokio::task::spawn_blocking(|| self.log.close()).await.unwrap();
        logged(self.dir.path())
    }
}

/// Uuid and arrival of each event in the archive and in the log. Segments move from the log to the
/// archive after a minute.
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

pub(super) fn iterator(body: &Value) -> (u16, Value) {
    (200, json!({ "ShardIterator": body["ShardId"] }))
}
