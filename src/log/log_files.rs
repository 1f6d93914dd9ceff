//! The files of a log as inputs: objects of the archive, and segments that are not sealed yet.

use std::fs::{self, File};
use std::io::BufReader;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;

use super::archive::{ArchivedSegment, NewestSegments};
use super::clock::MS_MAX;
use super::error::LogError;
use super::positions::LogPosition;
use super::scan::CompleteLines;
use super::segment;
use crate::ingest::inputs::Input;
use crate::ingest::missing_segments::gaps;
use crate::ingest::object_names;
use crate::store::Store;

/// Where a log's files are: the directory of its segments, and its archive.
#[derive(Clone, Debug)]
pub struct LogFiles {
    pub(super) log: PathBuf,
    pub(super) archive: Arc<dyn Store>,
    /// Whether to continue if segments are missing.
    pub(super) accept_damage: bool,
}

impl LogFiles {
    /// The files of a log that is in `archive` completely.
    pub fn of_archive(&self, archive: Arc<dyn Store>) -> Self {
        // It has no segments. A directory that does not exist has none either.
        Self { log: PathBuf::new(), archive, accept_damage: self.accept_damage }
    }

    /// Whether to continue if segments are missing.
    pub fn accepts_damage(&self) -> bool {
        self.accept_damage
    }

    /// The sequence of the newest segment in the archive; 0 for an empty archive.
    ///
    /// # Errors
    /// When the archive cannot be listed.
    pub fn newest_archived(&self) -> Result<u64, LogError> {
        let newest = NewestSegments::new(&*self.archive).next().transpose()?;
        Ok(newest.map_or(0, |archived| archived.sequence))
    }

    /// The sequences of the segments that are not in the archive yet, from the oldest to the newest; none if it has all.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub fn unsealed(&self) -> Result<Option<RangeInclusive<u64>>, LogError> {
        let listed = segment::list(&self.log).map_err(LogError::disk("list", &self.log))?;
        let (oldest, newest) = (listed.first(), listed.last());
        Ok(oldest.zip(newest).map(|((oldest, _), (newest, _))| *oldest..=*newest))
    }

    /// The inputs with all events that arrived at `from_ms` or later, and some earlier ones, in the
    /// order of the log: gzip objects of the archive, then plain segments. `covered` is the part of the log
    /// that a checkpoint of `from_ms` or later covers, if there is one.
    ///
    /// While the log is being written, the last lines may be incomplete, and a segment may be sealed and
    /// removed before it is read: in that case, call this again.
    ///
    /// # Errors
    /// When a segment is missing between the inputs, the first ones if `from_ms` is 0, or a part of what is `covered`,
    /// unless damage is accepted. When the archive cannot be listed, and when a segment cannot be read.
    pub fn inputs_from(
        &self,
        from_ms: u64,
        covered: Option<LogPosition>,
    ) -> Result<Vec<Input>, LogError> {
        let inputs = self.list(from_ms)?;
        // A checkpoint may cover the first segments.
        let first = if from_ms == 0 { Some(1) } else { covered.map(|covered| covered.sequence) };
        if let Err(error) = self.check(&inputs, first, covered) {
            if !self.accept_damage {
                return Err(error);
            }
            warn!(%error, "events of the log are missing");
        }
        Ok(inputs.into_iter().map(|(_, input)| input).collect())
    }

    /// The inputs of [`inputs_from`](Self::inputs_from), with their sequences.
    fn list(&self, from_ms: u64) -> Result<Vec<(u64, Input)>, LogError> {
        // List the segments before the archive: sealing removes a segment only after its object exists,
        // so none is missed.
        let listed = segment::list(&self.log).map_err(LogError::disk("list", &self.log))?;
        let oldest = listed.first().map_or(u64::MAX, |(sequence, _)| *sequence);
        let mut inputs = Vec::new();
        for (sequence, path) in listed.iter().rev() {
            let Some(first_ms) = first_arrival(path)? else { continue };
            inputs.push((*sequence, Input::plain(path).map_err(LogError::disk("read", path))?));
            if first_ms < from_ms {
                inputs.reverse();
                return Ok(inputs);
            }
        }
        let from = object_names::format_time(from_ms.min(MS_MAX));
        for archived in NewestSegments::new(&*self.archive) {
            let ArchivedSegment { object, time, sequence } = archived?;
            if sequence >= oldest {
                continue;
            }
            inputs.push((sequence, Input::compressed(&self.archive, object)));
            // All older objects have only earlier events.
            if time < from {
                break;
            }
        }
        inputs.reverse();
        Ok(inputs)
    }

    /// Checks that no segment is missing from `first` on, and nothing of what is `covered`.
    fn check(
        &self,
        inputs: &[(u64, Input)],
        first: Option<u64>,
        covered: Option<LogPosition>,
    ) -> Result<(), LogError> {
        let sequences: Vec<_> = inputs.iter().map(|(sequence, _)| *sequence).collect();
        let last = covered.map(|covered| covered.sequence);
        if let Some((first, last)) = missing(&sequences, first, last).first().copied() {
            let (log, archive) = (self.log.display().to_string(), self.archive.name(""));
            return Err(LogError::Gap { first, last, log, archive });
        }
        let Some(LogPosition { sequence, bytes: covered }) = covered else { return Ok(()) };
        let path = segment::path(&self.log, sequence);
        let bytes = fs::metadata(&path).map_or(u64::MAX, |file| file.len());
        if bytes < covered {
            return Err(LogError::Short { path: path.display().to_string(), bytes, covered });
        }
        Ok(())
    }
}

/// The sequences that are missing among ascending `sequences` from `first` to `last`, where these are known, as pairs of
/// the first and the last. An empty log lacks none unless `last` is known.
pub(super) fn missing(sequences: &[u64], first: Option<u64>, last: Option<u64>) -> Vec<(u64, u64)> {
    let (oldest, newest) = match (sequences.first(), sequences.last()) {
        (Some(oldest), Some(newest)) => (*oldest, *newest),
        _ => return last.map(|last| (first.unwrap_or(last), last)).into_iter().collect(),
    };
    let before = first.filter(|first| *first < oldest).map(|first| (first, oldest - 1));
    let after = last.filter(|last| *last > newest).map(|last| (newest + 1, last));
    before.into_iter().chain(gaps(sequences)).chain(after).collect()
}

/// The arrival of a segment's first event, or `None` if it has no complete line yet.
fn first_arrival(path: &Path) -> Result<Option<u64>, LogError> {
    let first = File::open(path)
        .and_then(|file| CompleteLines::new(BufReader::new(file)).next().transpose());
    Ok(first.map_err(LogError::disk("read", path))?.map(|line| line.arrival_ms))
}
