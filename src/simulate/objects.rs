//! A workload as the objects that Firehose delivers: gzip, a race each, named by their oldest record.

use std::fs::{self, File};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use flate2::{Compression, GzBuilder};
use thiserror::Error;

use super::stream::Written;
use super::{RACE_SECONDS, Workload};
use crate::ingest::objects;

/// Half of a line is digits of chance that no level compresses; the fastest wins.
const LEVEL: Compression = Compression::new(1);

/// An object that could not be written.
#[derive(Debug, Error)]
#[error("cannot write '{path}': {reason}; give --out a directory that can be written")]
pub struct ObjectError {
    /// What was being written.
    pub path: PathBuf,
    /// Part of the message, hence not its source: a chain of errors would tell it twice.
    reason: io::Error,
}

/// Writes an object for each race of `workload` into `directory`, on `threads` threads, and tells
/// `progress` how many lines were added now and then. Other objects in there stay as they are.
///
/// # Errors
/// An object or directory that could not be written; the objects before it stay.
pub fn write(
    workload: &Workload,
    directory: &Path,
    threads: NonZeroUsize,
    progress: impl Fn(u64) + Sync,
) -> Result<Written, ObjectError> {
    fs::create_dir_all(directory)
        .map_err(|reason| ObjectError { path: directory.to_owned(), reason })?;
    let next = AtomicU64::new(0);
    let work = || {
        let mut written = Written::default();
        loop {
            let window = next.fetch_add(1, Ordering::Relaxed);
            if window >= workload.races() {
                return Ok(written);
            }
            let object = write_object(workload, window, directory, &progress);
            if object.is_err() {
                // No thread begins another object after this.
                next.store(workload.races(), Ordering::Relaxed);
            }
            written = written.and(object?);
        }
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads.get()).map(|_| scope.spawn(work)).collect();
        let own = work();
        others
            .into_iter()
            .filter_map(|other| other.join().ok())
            .fold(own, |all, other| Ok(all?.and(other?)))
    })
}

/// Writes the lines of race `window`, first under a hidden name: an object is there as a whole, as
/// it is in S3, or not at all.
fn write_object(
    workload: &Workload,
    window: u64,
    directory: &Path,
    progress: &impl Fn(u64),
) -> Result<Written, ObjectError> {
    let race = workload.race(window);
    let uuid = race.uuid.text();
    let uuid = String::from_utf8_lossy(&uuid);
    let hidden = directory.join(format!(".{uuid}"));
    let failed = |reason| ObjectError { path: hidden.clone(), reason };
    let file = File::create(&hidden).map_err(failed)?;
    // No name and no time in the header, so that equal lines are equal bytes.
    let mut gzip = GzBuilder::new().write(file, LEVEL);
    let mut written = Written::default();
    let mut oldest_ms = race.start_ms + u64::from(RACE_SECONDS) * 1_000;
    for batch in (0..workload.batches()).map(|number| race.batch(number)) {
        gzip.write_all(batch.text()).map_err(failed)?;
        oldest_ms = batch.lines().next().map_or(oldest_ms, |line| oldest_ms.min(line.arrival_ms));
        written.lines += batch.len() as u64;
        written.json_bytes += batch.text().len() as u64;
        progress(batch.len() as u64);
    }
    let file = gzip.finish().map_err(failed)?;
    written.stored_bytes = file.metadata().map_err(failed)?.len();

    let path = directory.join(objects::name(oldest_ms, &uuid));
    let parent = path.parent().unwrap_or(directory);
    fs::create_dir_all(parent)
        .and_then(|()| fs::rename(&hidden, &path))
        .map_err(|reason| ObjectError { path: path.clone(), reason })?;
    Ok(written)
}
