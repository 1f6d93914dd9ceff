//! Appends to the newest segment, and decides when to start another.

use std::io;
use std::iter;
use std::path::{Path, PathBuf};
use std::time::Instant;

use metrics::{gauge, histogram};
use tracing::warn;

use super::checksums::ChecksumFile;
use super::error::Obstacle;
use super::positions::LogPosition;
use super::segment::{self, CreateError, CreateSegment, SegmentFile};
use crate::disk;
use crate::ingest::lines::LINE_BYTES_MAX;

/// The size above which a segment is closed. Compressed, it becomes an object of about 10 MB, a size
/// that suits S3 and its readers.
const SEGMENT_BYTES_MAX: u64 = 64_000_000;
/// The age of the first event above which a segment is closed, so that the archive lags by about a
/// minute.
const SEGMENT_AGE_MS_MAX: u64 = 60_000;

/// Why a group of batches is not durable.
#[derive(Debug)]
pub(super) enum AppendFailure {
    /// Nothing could be written, or the segment was truncated to its previous length, so the next group
    /// can be tried.
    Unavailable(Obstacle),
    /// A write or `fsync` failed, and it is unknown which bytes are durable. The field is the reason.
    Broken(String),
}

/// Appends to the segments of a log.
pub(super) struct Appender {
    directory: PathBuf,
    create: CreateSegment,
    /// The sequence of the next segment. All lower ones have been created.
    next: u64,
    open: Option<OpenSegment>,
}

/// The segment that is being written.
struct OpenSegment {
    path: PathBuf,
    file: Box<dyn SegmentFile>,
    checksums: ChecksumFile,
    /// The length that is durable.
    bytes: u64,
    /// The arrival of the first event, once it is durable.
    oldest_ms: Option<u64>,
}

impl Appender {
    /// Appends to new segments in `directory`, the first with sequence `next`.
    pub(super) fn new(directory: PathBuf, next: u64, create: CreateSegment) -> Self {
        Self { directory, create, next, open: None }
    }

    /// Appends `texts` durably. They must be complete lines, the first of which arrived at `arrival_ms`.
    ///
    /// # Errors
    /// On any error, none of the lines counts as written. After [`AppendFailure::Broken`] the caller
    /// must not append again.
    pub(super) fn append<'a>(
        &mut self,
        arrival_ms: u64,
        texts: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Result<(), AppendFailure> {
        let open = self.open_segment()?;
        match open.write_group(texts) {
            Ok(bytes) => {
                open.bytes += bytes;
                open.oldest_ms.get_or_insert(arrival_ms);
                Ok(())
            }
            Err(reason) => Err(open.roll_back(failure(&open.path, reason))),
        }
    }

    /// Tests whether a segment can be opened and has space for the longest line, by writing that many
    /// spaces and truncating them.
    ///
    /// A crash in between leaves a torn end, which the next start cuts off.
    ///
    /// # Errors
    /// As for [`Appender::append`].
    pub(super) fn probe(&mut self) -> Result<(), AppendFailure> {
        let open = self.open_segment()?;
        match open.write(iter::once(&vec![b' '; LINE_BYTES_MAX][..])).and_then(|_| open.sync()) {
            Ok(()) => open.truncate_to_durable(),
            Err(reason) => Err(open.roll_back(failure(&open.path, reason))),
        }
    }

    /// The open segment, created if there is none.
    fn open_segment(&mut self) -> Result<&mut OpenSegment, AppendFailure> {
        match &mut self.open {
            Some(open) => Ok(open),
            none => {
                let path = segment::path(&self.directory, self.next);
                // The directory is made again if somebody removed it. An empty file of checksums without
                // its segment is replaced by the next attempt.
                let checksums = disk::create_dir_all(&self.directory)
                    .and_then(|()| ChecksumFile::create(&path))
                    .map_err(|reason| not_created(&path, CreateError::Open(reason)))?;
                let file = (self.create)(&path).map_err(|error| not_created(&path, error))?;
                gauge!("velodrome_log_segments").increment(1.0);
                self.next += 1;
                Ok(none.insert(OpenSegment { path, file, checksums, bytes: 0, oldest_ms: None }))
            }
        }
    }

    /// Closes the open segment if it is large or old enough at `now_ms`. Returns the sequence below
    /// which all segments are closed.
    pub(super) fn rotate(&mut self, now_ms: u64) -> u64 {
        let is_full = |open: &mut OpenSegment| {
            let is_old = |oldest_ms| now_ms >= oldest_ms + SEGMENT_AGE_MS_MAX;
            open.bytes > SEGMENT_BYTES_MAX || open.oldest_ms.is_some_and(is_old)
        };
        close(self.open.take_if(is_full));
        self.next - u64::from(self.open.is_some())
    }

    /// Closes the open segment. The log must not be poisoned.
    pub(super) fn close(&mut self) {
        close(self.open.take());
    }

    /// The end of what is durable in the open segment, if it has anything. The next start removes one without events.
    pub(super) fn position(&self) -> Option<LogPosition> {
        let open = self.open.as_ref().filter(|open| open.bytes > 0)?;
        Some(LogPosition { sequence: self.next - 1, bytes: open.bytes })
    }
}

impl OpenSegment {
    /// Writes a group and its checksum, makes the group durable, and returns the number of its bytes.
    fn write_group<'a>(
        &mut self,
        texts: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> io::Result<u64> {
        let bytes = self.write(texts.clone())?;
        self.checksums.add(texts)?;
        self.sync()?;
        self.checksums.confirm();
        Ok(bytes)
    }

    /// Writes `texts` and returns the number of their bytes.
    fn write<'a>(&mut self, texts: impl Iterator<Item = &'a [u8]>) -> io::Result<u64> {
        let mut bytes = 0;
        for text in texts {
            self.file.write_all(text)?;
            bytes += text.len() as u64;
        }
        Ok(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let began = Instant::now();
        self.file.sync()?;
        histogram!("velodrome_log_fsync_seconds").record(began.elapsed());
        Ok(())
    }

    /// After a full disk, truncates the file to its durable length. Returns `failure`, or the
    /// truncation's failure if that fails too.
    fn roll_back(&mut self, failure: AppendFailure) -> AppendFailure {
        if let AppendFailure::Broken(_) = failure {
            return failure;
        }
        self.truncate_to_durable().err().unwrap_or(failure)
    }

    fn truncate_to_durable(&mut self) -> Result<(), AppendFailure> {
        let truncated = self.file.truncate(self.bytes).and_then(|()| self.file.sync());
        truncated.and_then(|()| self.checksums.roll_back(self.bytes)).map_err(|reason| {
            let path = self.path.display();
            let reason = format!("the disk is full, and '{path}' cannot be truncated: {reason}");
            AppendFailure::Broken(reason)
        })
    }
}

/// Closes a segment, so that all its groups must agree with their checksums from now on.
fn close(segment: Option<OpenSegment>) {
    let Some(OpenSegment { path, checksums, .. }) = segment else { return };
    if let Err(error) = checksums.close() {
        warn!(path = %path.display(), %error, "cannot write the checksums of a segment");
    }
}

/// Classifies a failed creation of the segment at `path`.
fn not_created(path: &Path, error: CreateError) -> AppendFailure {
    match error {
        CreateError::Open(reason) if !is_full(&reason) => {
            AppendFailure::Unavailable(Obstacle::NoFile(reason.to_string()))
        }
        CreateError::Open(reason) | CreateError::Sync(reason) => failure(path, reason),
    }
}

/// Classifies a failed write or `fsync` of `path`.
fn failure(path: &Path, reason: io::Error) -> AppendFailure {
    match is_full(&reason) {
        true => AppendFailure::Unavailable(Obstacle::DiskFull),
        false => AppendFailure::Broken(format!("cannot write '{}': {reason}", path.display())),
    }
}

fn is_full(reason: &io::Error) -> bool {
    matches!(reason.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
