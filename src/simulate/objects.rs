//! Writes a workload as objects like Firehose's: gzip, one per race, named by their oldest record.

use std::fs::{self, File};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use flate2::{Compression, GzBuilder};
use thiserror::Error;

use super::parameters::RACE_SECONDS;
use super::workload::Workload;
use super::write_stats::WriteStats;
use crate::ingest::object_names;

/// The fastest level: half of each line is random digits, which no level compresses.
const LEVEL: Compression = Compression::new(1);

/// An object that cannot be written.
#[derive(Debug, Error)]
#[error("cannot write '{path}': {reason}; pass a writable directory with --out")]
pub struct ObjectError {
    /// The object, or its directory.
    pub path: PathBuf,
    /// The cause. It is part of the message, and therefore not the error's source.
    reason: io::Error,
}

/// Writes an object for each race of `workload` to `directory`, on `threads` threads. Calls `progress`
/// with the number of lines of each write.
///
/// # Errors
/// If an object cannot be written. Objects that are already complete remain.
pub fn write(
    workload: &Workload,
    directory: &Path,
    threads: NonZeroUsize,
    progress: impl Fn(u64) + Sync,
) -> Result<WriteStats, ObjectError> {
    let next = AtomicU64::new(0);
    let work = || {
        let mut stats = WriteStats::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= workload.races() {
                return Ok(stats);
            }
            let object = write_object(workload, index, directory, &progress);
            if object.is_err() {
                // Stops all threads before their next object.
                next.store(workload.races(), Ordering::Relaxed);
            }
            stats = stats.plus(object?);
        }
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads.get()).map(|_| scope.spawn(work)).collect();
        let own = work();
        others
            .into_iter()
            .filter_map(|other| other.join().ok())
            .fold(own, |all, other| Ok(all?.plus(other?)))
    })
}

/// Writes the lines of the race with this index. Its key depends on its oldest line, so the object has a
/// hidden name until it is complete.
fn write_object(
    workload: &Workload,
    index: u64,
    directory: &Path,
    progress: &impl Fn(u64),
) -> Result<WriteStats, ObjectError> {
    let race = workload.race(index);
    let uuid = race.uuid.text();
    let uuid = String::from_utf8_lossy(&uuid);
    let hidden = directory.join(format!(".{uuid}"));
    let failed = |reason| ObjectError { path: hidden.clone(), reason };
    let file = File::create(&hidden).map_err(failed)?;
    // The header has no name and no time, so equal lines give equal bytes.
    let mut gzip = GzBuilder::new().write(file, LEVEL);
    let mut stats = WriteStats::default();
    let mut oldest_ms = race.start_ms + u64::from(RACE_SECONDS) * 1_000;
    for batch in (0..workload.batches()).map(|number| race.batch(number)) {
        gzip.write_all(batch.text()).map_err(failed)?;
        oldest_ms = batch.lines().next().map_or(oldest_ms, |line| oldest_ms.min(line.arrival_ms));
        stats.lines += batch.len() as u64;
        stats.json_bytes += batch.text().len() as u64;
        progress(batch.len() as u64);
    }
    let file = gzip.finish().map_err(failed)?;
    stats.stored_bytes = file.metadata().map_err(failed)?.len();

    let path = directory.join(object_names::object_key(oldest_ms, &uuid));
    let parent = path.parent().unwrap_or(directory);
    fs::create_dir_all(parent)
        .and_then(|()| fs::rename(&hidden, &path))
        .map_err(|reason| ObjectError { path: path.clone(), reason })?;
    Ok(stats)
}
