//! Reads segments and objects of a log to check them.

use std::io::{self, BufReader, Read};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use indicatif::ProgressBar;

use super::archive::ArchivedSegment;
use super::checksums::{Checksums, checksums_key};
use super::error::LogError;
use super::scan::LineCounts;
use crate::ingest::gunzip::Gunzip;
use crate::store::{Object, Store, StoreError};

/// A segment as it was read.
pub(super) struct SegmentState {
    /// `None` if it has no file of checksums.
    checksums: Option<Checksums>,
    /// The first part that differs from its checksum.
    damage: Option<Range<u64>>,
    pub(super) lines: LineCounts,
}

impl SegmentState {
    /// Reads the segment `object` of the data directory `data`. A service may be writing it.
    ///
    /// # Errors
    /// When it or its checksums cannot be read.
    pub(super) fn read(data: &dyn Store, object: &Object) -> Result<Self, StoreError> {
        let failed = |reason| StoreError { action: "read", name: data.name(&object.key), reason };
        // Checksums are written after their group, so the segment has all groups of those read before it.
        let checksums = checksums_key(&object.key).map(|key| data.get(&key)).transpose()?.flatten();
        let checksums = checksums.map(|text| Checksums::parse(&text));
        let damage = match &checksums {
            Some(checksums) => checksums.damage(data.read(object, 0)?).map_err(failed)?,
            None => None,
        };
        let lines = BufReader::new(data.read(object, 0)?);
        Ok(Self { checksums, damage, lines: LineCounts::read(lines).map_err(failed)? })
    }

    /// Whether it has lines, but no checksums.
    pub(super) fn is_without_checksums(&self) -> bool {
        self.checksums.as_ref().is_none_or(Checksums::is_empty) && self.lines.bytes > 0
    }

    /// The damage of this segment, if there is any. A write at the end of the newest segment may be
    /// incomplete if the segment was not closed.
    pub(super) fn finding(&self, name: &str, is_newest: bool) -> Option<LogError> {
        if let Some(Range { start: from, end: to }) = self.damage {
            return Some(LogError::Damaged { path: name.to_owned(), from, to });
        }
        let is_closed = self.checksums.as_ref().is_some_and(Checksums::is_closed);
        let torn_from = self.checksums.as_ref().map_or(u64::MAX, Checksums::torn_from);
        let may_be_torn = is_newest && !is_closed && self.lines.is_complete_until(torn_from);
        self.lines.incomplete_error(name).filter(|_| !may_be_torn)
    }
}

/// Reads objects of `archive` to their ends, on all cores. Returns the lines of each, in order.
pub(super) fn read_objects(
    archive: &dyn Store,
    archived: &[ArchivedSegment],
    progress: &ProgressBar,
) -> Vec<io::Result<LineCounts>> {
    let (next, read) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(archived.len())));
    let read_next = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(archived) = archived.get(number) else { return };
            let lines = read_object(archive, &archived.object, progress);
            read.lock().unwrap_or_else(PoisonError::into_inner).push((number, lines));
        }
    };
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        (1..cores).for_each(|_| drop(scope.spawn(read_next)));
        read_next();
    });
    let mut read = read.into_inner().unwrap_or_else(PoisonError::into_inner);
    read.sort_by_key(|(number, _)| *number);
    read.into_iter().map(|(_, lines)| lines).collect()
}

fn read_object(
    archive: &dyn Store,
    object: &Object,
    progress: &ProgressBar,
) -> io::Result<LineCounts> {
    let bytes = archive.read(object, 0).map_err(|error| error.reason)?;
    let bytes: Box<dyn Read> = Box::new(progress.wrap_read(bytes));
    LineCounts::read(BufReader::new(Gunzip::new(BufReader::new(bytes))))
}
