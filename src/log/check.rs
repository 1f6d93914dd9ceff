//! Checks the files of a log without changing them: segments, objects of its archive, their sequences.

use std::io::ErrorKind;

use indicatif::ProgressBar;

use super::archive::ArchivedSegment;
use super::check_files::{SegmentState, read_objects};
use super::error::LogError;
use super::log_files::missing;
use super::positions::LogPosition;
use crate::ingest::object_names::{LOG_FOLDER, parse_segment_file, parse_segment_key};
use crate::store::{Object, Store, StoreError};

/// What is known about a log after its check.
#[derive(Debug, Default)]
pub struct CheckedLog {
    /// The segments that were read.
    pub segments: u64,
    /// Their events.
    pub segment_events: u64,
    /// The segments among them that have no checksums.
    pub without_checksums: u64,
    /// The objects of the archive.
    pub objects: u64,
    /// The objects that were read.
    pub objects_read: u64,
    /// The events in the objects that were read.
    pub object_events: u64,
    /// The sequence of the oldest object or segment.
    pub oldest: Option<u64>,
    /// What is damaged or missing.
    pub findings: Vec<LogError>,
    /// What could not be read, so that it is unknown whether it is damaged.
    pub unread: Vec<LogError>,
}

/// Where a log is, and which part of it must be there.
#[derive(Debug)]
pub struct LogCheck<'a> {
    /// The data directory, or a copy of one. `None` to check an archive alone.
    pub data: Option<&'a dyn Store>,
    /// The archive.
    pub archive: &'a dyn Store,
    /// The part of the log that a checkpoint covers.
    pub covered: Option<LogPosition>,
}

impl LogCheck<'_> {
    /// Checks the log. A service may be writing it. Reads the objects for which `is_read` returns true, and
    /// reports the compressed bytes that it has read to `progress`.
    ///
    /// # Errors
    /// When the data directory or the archive cannot be listed.
    pub fn run(
        &self,
        is_read: impl Fn(&Object) -> bool,
        progress: &ProgressBar,
    ) -> Result<CheckedLog, StoreError> {
        let mut checked = CheckedLog::default();
        // As for recovery, the segments are listed before the archive.
        let segments = self.segments()?;
        let newest = segments.last().map(|(sequence, _)| *sequence);
        for (sequence, object) in &segments {
            let is_newest = Some(*sequence) == newest;
            self.check_segment(*sequence, object, is_newest, &mut checked);
        }
        let archived = self.archived()?;
        checked.objects = archived.len() as u64;
        let sequences = archived.iter().map(|archived| archived.sequence);
        checked.oldest = sequences.chain(segments.iter().map(|(sequence, _)| *sequence)).min();
        self.check_sequences(&segments, &archived, &mut checked)?;
        let read: Vec<_> = archived.into_iter().filter(|found| is_read(&found.object)).collect();
        progress.inc_length(read.iter().map(|archived| archived.object.bytes).sum());
        self.check_objects(&read, progress, &mut checked);
        Ok(checked)
    }

    /// The segments, by ascending sequence.
    fn segments(&self) -> Result<Vec<(u64, Object)>, StoreError> {
        let Some(data) = self.data else { return Ok(Vec::new()) };
        let objects = data.list(LOG_FOLDER)?.objects.into_iter();
        Ok(objects.filter_map(|object| Some((parse_segment_file(&object.key)?, object))).collect())
    }

    /// The segments in the archive, by ascending sequence.
    fn archived(&self) -> Result<Vec<ArchivedSegment>, StoreError> {
        let objects = self.archive.walk("")?.into_iter();
        // As for recovery, only the archive's own folders count.
        let is_own =
            |object: &Object| parse_segment_key(&object.key)?.archive.is_empty().then_some(());
        let objects = objects.filter(|object| is_own(object).is_some());
        let mut archived: Vec<_> = objects.filter_map(ArchivedSegment::parse).collect();
        archived.sort_by_key(|archived| archived.sequence);
        Ok(archived)
    }

    fn check_segment(
        &self,
        sequence: u64,
        object: &Object,
        is_newest: bool,
        checked: &mut CheckedLog,
    ) {
        let Some(data) = self.data else { return };
        match SegmentState::read(data, object) {
            // It was archived after it was listed.
            Err(error) if error.reason.kind() == ErrorKind::NotFound => (),
            Err(error) => checked.unread.push(error.into()),
            Ok(state) => {
                checked.segments += 1;
                checked.segment_events += state.lines.complete;
                checked.without_checksums += u64::from(state.is_without_checksums());
                let name = data.name(&object.key);
                let finding = state.finding(&name, is_newest);
                let shorter = || self.shorter(sequence, name, state.lines.bytes);
                checked.findings.extend(finding.or_else(shorter));
            }
        }
    }

    fn check_objects(
        &self,
        archived: &[ArchivedSegment],
        progress: &ProgressBar,
        checked: &mut CheckedLog,
    ) {
        let read = read_objects(self.archive, archived, progress);
        for (archived, lines) in archived.iter().zip(read) {
            let name = self.archive.name(&archived.object.key);
            match lines {
                Ok(lines) => {
                    checked.objects_read += 1;
                    checked.object_events += lines.complete;
                    let incomplete = lines.incomplete_error(&name);
                    let empty = || (lines.complete == 0).then(|| LogError::NoEvents(name.clone()));
                    let shorter = || self.shorter(archived.sequence, name.clone(), lines.bytes);
                    checked.findings.extend(incomplete.or_else(empty).or_else(shorter));
                }
                Err(reason) => {
                    let is_damage =
                        matches!(reason.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof);
                    let list = if is_damage { &mut checked.findings } else { &mut checked.unread };
                    list.push(LogError::Unreadable { name, reason });
                }
            }
        }
    }

    /// The error for segment `sequence` with `bytes` bytes, if more of it is covered.
    fn shorter(&self, sequence: u64, path: String, bytes: u64) -> Option<LogError> {
        let covered = self.covered.filter(|covered| covered.sequence == sequence)?.bytes;
        (bytes < covered).then_some(LogError::Short { path, bytes, covered })
    }

    /// Checks that no segment is missing, and none is in the archive twice.
    fn check_sequences(
        &self,
        segments: &[(u64, Object)],
        archived: &[ArchivedSegment],
        checked: &mut CheckedLog,
    ) -> Result<(), StoreError> {
        for pair in archived.windows(2) {
            if let [one, other] = pair
                && one.sequence == other.sequence
            {
                let [one, other] = [one, other].map(|found| self.archive.name(&found.object.key));
                checked.findings.push(LogError::TwoLogs(one, other));
            }
        }
        let mut gaps = self.gaps(segments, archived);
        if !gaps.is_empty() {
            // Segments that were archived during a listing are in the next one.
            let again = self.gaps(&self.segments()?, &self.archived()?);
            gaps.retain(|gap| again.contains(gap));
        }
        let log = self.data.map_or_else(String::new, |data| data.name(LOG_FOLDER));
        let archive = || self.archive.name("");
        let oldest = segments.first().map_or(u64::MAX, |(sequence, _)| *sequence);
        let error = |(first, last)| match archived.is_empty() && last < oldest {
            true => LogError::NoArchive { last, archive: archive() },
            false => LogError::Gap { first, last, log: log.clone(), archive: archive() },
        };
        checked.findings.extend(gaps.into_iter().map(error));
        Ok(())
    }

    /// The sequences that are missing.
    fn gaps(&self, segments: &[(u64, Object)], archived: &[ArchivedSegment]) -> Vec<(u64, u64)> {
        let in_archive = archived.iter().map(|archived| archived.sequence);
        let logged = segments.iter().map(|(sequence, _)| *sequence);
        let mut sequences: Vec<_> = in_archive.chain(logged).collect();
        sequences.sort_unstable();
        missing(&sequences, Some(1), self.covered.map(|covered| covered.sequence))
    }
}
