//! A service that reads a stream.

mod gaps;
mod reading;
mod starting;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;

use super::servers::Kinesis;
use crate::run::{sample, view};
use crate::serving::{ServiceProcess, get, wait_for};

/// The number of racers, enough to reach each of four shards.
const RACERS: u32 = 40;

/// Starts a service that reads the stream `races`, and waits until it is ready.
pub(crate) fn start(kinesis: &Kinesis, data: &Path, arguments: &str) -> ServiceProcess {
    let arguments = format!("--source kinesis:races {arguments}");
    ServiceProcess::start_in(&kinesis.environment().collect::<Vec<_>>(), data, &arguments)
}

/// Puts one second of each racer.
fn put_second(kinesis: &Kinesis, second: u16) {
    let record = |racer: u32| (racer.to_string(), sample(1, racer, second, f64::from(second)));
    kinesis.put("races", (0..RACERS).map(record));
}

/// Puts a view of project "p".
pub(super) fn put_view(kinesis: &Kinesis, uuid: &str) {
    kinesis.put("races", [(uuid.to_owned(), view(1, uuid))]);
}

/// The number of counted views.
pub(crate) fn views(serving: &ServiceProcess) -> u64 {
    match get(&format!("{}/v1/projects/p", serving.url)) {
        (200, project) => project["views"].as_u64().unwrap(),
        _ => 0,
    }
}

/// The last second of each racer in the running race.
fn reached(serving: &ServiceProcess) -> BTreeMap<u64, u64> {
    let (_, standings) = get(&format!("{}/v1/races/1/7/standings?limit=1000", serving.url));
    let rows = standings["rows"].as_array().cloned().unwrap_or_default();
    rows.iter()
        .map(|row| (row["racerId"].as_u64().unwrap(), row["second"].as_u64().unwrap()))
        .collect()
}

fn wait_until_all_reached(serving: &ServiceProcess, second: u64) {
    let is_reached = |reached: BTreeMap<u64, u64>| {
        reached.len() == RACERS as usize && reached.values().all(|reached| *reached == second)
    };
    wait_for("all racers reach the last second", || is_reached(reached(serving)));
}

/// The events in the archive and the log of a data directory, in order. Checks that arrivals never
/// decrease.
fn logged(data: &Path) -> Vec<Value> {
    let mut text = String::new();
    for path in [files(&data.join("archive")), files(&data.join("log"))].concat() {
        let file = File::open(&path).unwrap();
        let read = match path.extension().unwrap() == "gz" {
            true => GzDecoder::new(file).read_to_string(&mut text),
            false => BufReader::new(file).read_to_string(&mut text),
        };
        read.unwrap();
    }
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.is_sorted_by_key(|event| event["arrivalTimestamp"].as_u64().unwrap()));
    events
}

/// The files below a directory, sorted. Without checksums.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    let mut files: Vec<_> = entries.flat_map(below).collect();
    files.retain(|path| path.extension().is_none_or(|extension| extension != "sums"));
    files.sort();
    files
}

/// The seconds of each racer in the log, in order.
fn seconds(data: &Path) -> BTreeMap<u64, Vec<u64>> {
    let mut seconds: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in logged(data) {
        let racer = event["racerId"].as_u64().unwrap();
        seconds.entry(racer).or_default().push(event["second"].as_u64().unwrap());
    }
    seconds
}

fn assert_all_once_and_in_order(data: &Path, last: u64) {
    let seconds = seconds(data);
    assert_eq!(seconds.len(), RACERS as usize);
    assert!(seconds.values().all(|of| of.iter().copied().eq(1..=last)), "{seconds:?}");
}
