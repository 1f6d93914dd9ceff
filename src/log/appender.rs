//! Appending to the newest segment, and when the next one is begun.

use std::io;
use std::iter;
use std::path::{Path, PathBuf};
use std::time::Instant;

use metrics::{gauge, histogram};

use super::segment::{self, Create, SegmentFile};
use crate::ingest::lines::LINE_BYTES_MAX;

/// A segment that is larger is closed: an object of some 10 MB, which S3 and its readers like best.
const SEGMENT_BYTES_MAX: u64 = 64_000_000;
/// A segment whose first event is older is closed, so that the archive is a minute behind at most.
const SEGMENT_AGE_MS_MAX: u64 = 60_000;

/// Why a group did not become durable.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no space. The segment is as it was before, so the next group can be tried.
    Full(io::Error),
    /// Nobody knows what is on the disk; this is the reason.
    Broken(String),
}

/// The end of the log that is written to.
pub(super) struct Appender {
    directory: PathBuf,
    create: Create,
    /// The sequence of the segment that is begun next; all that are less were begun.
    next: u64,
    current: Option<Current>,
}

struct Current {
    path: PathBuf,
    file: Box<dyn SegmentFile>,
    /// How much of it is durable.
    bytes: u64,
    /// The arrival of its first event, once that is durable.
    oldest_ms: Option<u64>,
}

impl Appender {
    /// Appends to new segments in `directory`, the first of sequence `next`.
    pub(super) fn new(directory: PathBuf, next: u64, create: Create) -> Self {
        Self { directory, create, next, current: None }
    }

    /// Appends `texts`, lines of which the first arrived at `arrival_ms`, and makes them durable.
    ///
    /// # Errors
    /// None of them counts as written. After [`Failure::Broken`] nothing may be appended any more.
    pub(super) fn append<'a>(
        &mut self,
        arrival_ms: u64,
        texts: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), Failure> {
        let current = self.current()?;
        match current.write(texts) {
            Ok(bytes) => {
                current.bytes += bytes;
                current.oldest_ms.get_or_insert(arrival_ms);
                Ok(())
            }
            Err(reason) => Err(current.undo(failure(&current.path, reason))),
        }
    }

    /// Tries whether there is space for the longest line, of which it leaves nothing; where a crash
    /// comes in between, the next start cuts it off.
    ///
    /// # Errors
    /// As for [`Appender::append`].
    pub(super) fn try_space(&mut self) -> Result<(), Failure> {
        let current = self.current()?;
        match current.write(iter::once(&vec![b' '; LINE_BYTES_MAX][..])) {
            Ok(_) => current.cut_back(),
            Err(reason) => Err(current.undo(failure(&current.path, reason))),
        }
    }

    /// The segment that is written to, which is begun where there is none.
    fn current(&mut self) -> Result<&mut Current, Failure> {
        match &mut self.current {
            Some(current) => Ok(current),
            none => {
                let path = segment::path(&self.directory, self.next);
                let file = (self.create)(&path).map_err(|reason| failure(&path, reason))?;
                gauge!("velodrome_log_segments").increment(1.0);
                self.next += 1;
                Ok(none.insert(Current { path, file, bytes: 0, oldest_ms: None }))
            }
        }
    }

    /// Closes the segment where it is large or old enough at `now_ms`; the sequence below which all
    /// segments are closed.
    pub(super) fn roll(&mut self, now_ms: u64) -> u64 {
        self.current.take_if(|current| {
            let is_old = |oldest_ms| now_ms >= oldest_ms + SEGMENT_AGE_MS_MAX;
            current.bytes > SEGMENT_BYTES_MAX || current.oldest_ms.is_some_and(is_old)
        });
        self.next - u64::from(self.current.is_some())
    }
}

impl Current {
    /// Writes `texts` durably; how many bytes they were.
    fn write<'a>(&mut self, texts: impl Iterator<Item = &'a [u8]>) -> io::Result<u64> {
        let mut bytes = 0;
        for text in texts {
            self.file.write_all(text)?;
            bytes += text.len() as u64;
        }
        let began = Instant::now();
        self.file.sync()?;
        histogram!("velodrome_log_fsync_seconds").record(began.elapsed());
        Ok(bytes)
    }

    /// Cuts the file back to what was durable before `failure`, where that left it known.
    fn undo(&mut self, failure: Failure) -> Failure {
        if let Failure::Broken(_) = failure {
            return failure;
        }
        self.cut_back().err().unwrap_or(failure)
    }

    /// Cuts the file back to what is durable.
    fn cut_back(&mut self) -> Result<(), Failure> {
        self.file.truncate(self.bytes).and_then(|()| self.file.sync()).map_err(|reason| {
            let path = self.path.display();
            Failure::Broken(format!("the disk is full, and '{path}' cannot be cut back: {reason}"))
        })
    }
}

/// What `reason`, met on `path`, means for the log.
fn failure(path: &Path, reason: io::Error) -> Failure {
    match reason.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Failure::Full(reason),
        _ => Failure::Broken(format!("cannot write '{}': {reason}", path.display())),
    }
}
