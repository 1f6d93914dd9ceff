//! The contents of a segment at startup, and its repair after an interrupted write.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use tracing::warn;

use super::checksums;
use super::error::LogError;
use super::scan::{CompleteLine, CompleteLines};
use crate::atomic_file::replace_file;
use crate::disk;

/// The length and the complete lines of a segment.
pub(super) struct SegmentContents {
    /// The length of the file.
    pub(super) bytes: u64,
    /// The length of all complete lines.
    complete_bytes: u64,
    /// The first and the last complete line; `None` if there are none.
    pub(super) lines: Option<(CompleteLine, CompleteLine)>,
}

impl SegmentContents {
    /// Reads the segment at `path`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let (bytes, mut complete_bytes, mut ends) = (file.metadata()?.len(), 0, None);
        let mut lines = CompleteLines::new(BufReader::new(file));
        while let Some(line) = lines.next().transpose()? {
            complete_bytes += lines.line().len() as u64;
            ends = Some((ends.map_or(line, |(first, _)| first), line));
        }
        Ok(Self { bytes, complete_bytes, lines: ends })
    }

    /// Removes what a crash or power failure left of an interrupted write from the newest segment: the file is
    /// truncated after its last complete line. After a power failure, the beginning of a write can be missing and its
    /// end be there, so incomplete lines before it are removed too, unless the segment was closed: then they are damage
    /// that was accepted.
    ///
    /// Also makes the complete lines durable, because readers use them from now on and they may be part
    /// of the same write.
    ///
    /// # Errors
    /// When the file cannot be truncated or replaced.
    pub(super) fn repair(self, path: &Path) -> Result<Self, LogError> {
        let end = self.lines.map_or(0, |(_, last)| last.end);
        let is_torn_inside = end > self.complete_bytes
            && !checksums::is_closed(path).map_err(LogError::disk("read", path))?;
        let bytes = self.bytes - if is_torn_inside { self.complete_bytes } else { end };
        if bytes > 0 {
            warn!(path = %path.display(), bytes, "removed an incomplete write from the end of the log");
        }
        if is_torn_inside {
            let replaced = copy_complete_lines(path).and_then(|()| Self::read(path));
            return replaced.map_err(LogError::disk("replace", path));
        }
        let file = disk::File::open_existing(path);
        file.and_then(|file| file.set_len(end).and_then(|()| file.sync_all()))
            .map_err(LogError::disk("truncate", path))?;
        Ok(self)
    }
}

/// Replaces the file at `path` by one with its complete lines.
fn copy_complete_lines(path: &Path) -> io::Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let mut lines = CompleteLines::new(BufReader::new(File::open(path)?));
    replace_file(directory, &name.to_string_lossy(), |file| {
        let mut out = BufWriter::new(file);
        while lines.next().transpose()?.is_some() {
            out.write_all(lines.line())?;
        }
        out.flush()
    })?;
    Ok(())
}

/// The first and the last complete line of `reader`.
pub(super) fn first_and_last(
    reader: impl BufRead,
) -> io::Result<Option<(CompleteLine, CompleteLine)>> {
    let mut lines = CompleteLines::new(reader);
    let Some(first) = lines.next().transpose()? else { return Ok(None) };
    let last = lines.try_fold(first, |_, line| line)?;
    Ok(Some((first, last)))
}
