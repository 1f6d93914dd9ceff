//! Tests of the complete log, with real files, manual clocks and faults injected into segments.

mod admission;
mod advances;
mod appending;
mod checking;
mod faults;
mod identity;
mod integrity;
mod recovery;
mod sealing;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use flate2::read::GzDecoder;
use tokio::sync::oneshot;

use super::*;
use crate::health::Component;
use crate::store::{Directory, Store};

/// 2021-05-05T18:40:01Z, at the start of a tick.
const START_MS: u64 = 1_620_240_001_000;

/// How long a test waits for an expected event.
const TIMEOUT: Duration = Duration::from_secs(30);

/// One line for each number.
fn lines(numbers: impl IntoIterator<Item = u64>) -> LogLines {
    let mut lines = LogLines::new();
    for number in numbers {
        lines.push(format!("{{\"number\":{number}}}").as_bytes());
    }
    lines
}

/// The text of a segment with `lines` that arrived at `arrival_ms`.
fn segment_text(mut lines: LogLines, arrival_ms: u64) -> Vec<u8> {
    lines.stamp(arrival_ms, arrival_ms, ArrivalSlots::default());
    lines.text().to_vec()
}

/// Opens the log in the data directory `dir`, with its archive there.
fn open(dir: &Path, clock: Clock) -> Result<OpenedLog, LogError> {
    super::open(dir, archive_in(dir), clock, false)
}

fn archive_in(dir: &Path) -> Arc<dyn Store> {
    Arc::new(Directory::new(dir.join("archive")))
}

/// A health component for the archive.
fn component() -> Component {
    crate::health::Health::default().component("archive")
}

/// Starts a log on the data directory `dir`. Returns it with its deliveries.
fn start(dir: &Path, clock: Clock) -> (Log<u64>, Receiver<Delivery<u64>>) {
    let (sender, delivered) = mpsc::channel();
    let log = open(dir, clock)
        .unwrap()
        .start(component(), AdmitAll, move |delivery| _ = sender.send(delivery))
        .unwrap();
    (log, delivered)
}

/// Appends the event `number` and waits for the result.
fn append(log: &Log<u64>, number: u64) -> Result<u64, AppendError> {
    arrival(log.append(lines([number]), number)?)
}

/// Waits for the result of an append. Returns the last arrival.
fn arrival(result: oneshot::Receiver<Result<Appended, AppendError>>) -> Result<u64, AppendError> {
    result.blocking_recv().unwrap().map(|appended| appended.arrival_ms)
}

/// The number and arrival of each event in a file of the log.
fn events(path: &Path) -> Vec<(u64, u64)> {
    let mut bytes = fs::read(path).unwrap();
    if path.extension().unwrap() == "gz" {
        let packed = std::mem::take(&mut bytes);
        GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
    }
    let read = |line: &[u8]| {
        let event: serde_json::Value = serde_json::from_slice(line).unwrap();
        (event["number"].as_u64().unwrap(), event["arrivalTimestamp"].as_u64().unwrap())
    };
    bytes.split_inclusive(|byte| *byte == b'\n').map(read).collect()
}

/// All events in the log of the data directory `dir`.
fn logged_events(dir: &Path) -> Vec<(u64, u64)> {
    paths(&open(dir, Clock::manual(START_MS).0).unwrap(), 0)
        .iter()
        .flat_map(|p| events(p))
        .collect()
}

/// The files that contain all events since a time.
fn paths(opened: &OpenedLog, from_ms: u64) -> Vec<PathBuf> {
    let inputs = opened.files().inputs_from(from_ms, None).unwrap();
    inputs.iter().map(|input| PathBuf::from(&*input.name())).collect()
}

/// The files below `dir` except for checksums, sorted, with hidden ones.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = all_files(dir);
    files.retain(|path| path.extension().is_none_or(|extension| extension != "sums"));
    files
}

/// The files below `dir`, sorted, with hidden ones.
fn all_files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let below = |path: PathBuf| if path.is_dir() { all_files(&path) } else { vec![path] };
    paths.into_iter().flat_map(below).collect()
}

/// A copy of the data directory `dir`, as a crash would leave it.
fn copy(dir: &Path) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for path in all_files(dir) {
        let to = root.path().join(path.strip_prefix(dir).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(path, to).unwrap();
    }
    root
}
