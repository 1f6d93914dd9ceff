//! A workload as the objects that Firehose delivers: gzip, a race each, named by their oldest record.

use std::fs::{self, File};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use flate2::{Compression, GzBuilder};
use thiserror::Error;

use super::random::Uuid;
use super::stream::Written;
use super::{RACE_SECONDS, Workload};

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
    let hidden = directory.join(format!(".{}", String::from_utf8_lossy(&race.uuid.text())));
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

    let path = directory.join(name(oldest_ms, race.uuid));
    let parent = path.parent().unwrap_or(directory);
    fs::create_dir_all(parent)
        .and_then(|()| fs::rename(&hidden, &path))
        .map_err(|reason| ObjectError { path: path.clone(), reason })?;
    Ok(written)
}

/// An object's name below the stream's prefix, in UTC (see Firehose's "S3 object name format").
fn name(oldest_ms: u64, uuid: Uuid) -> String {
    let seconds = oldest_ms / 1_000;
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let uuid = uuid.text();
    let uuid = String::from_utf8_lossy(&uuid);
    format!(
        "{year:04}/{month:02}/{day:02}/{hour:02}/\
         velodrome-1-{year:04}-{month:02}-{day:02}-{hour:02}-{minute:02}-{second:02}-{uuid}.gz"
    )
}

/// Year, month and day of the day `days` after 1970-01-01: Howard Hinnant's `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>), for days from the epoch on.
fn civil(days: u64) -> (u64, u64, u64) {
    // Eras of 400 years that begin on a first of March, so that a leap day is the last of a year.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::super::Parameters;
    use super::*;

    #[test]
    fn are_named_by_their_oldest_record_in_utc() {
        let workload = Workload::new(Parameters::DEFAULT).unwrap();
        let uuid = workload.race(0).uuid;
        let text = String::from_utf8(uuid.text().to_vec()).unwrap();
        assert_eq!(
            name(1_620_240_001_000, uuid),
            format!("2021/05/05/18/velodrome-1-2021-05-05-18-40-01-{text}.gz")
        );
    }

    #[test]
    fn dates_follow_the_calendar_over_leap_days_and_centuries() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (11_015, (2000, 2, 28)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (18_752, (2021, 5, 5)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
            (2_932_896, (9999, 12, 31)),
        ] {
            assert_eq!(civil(days), date, "{days}");
        }
    }
}
