//! The contents of a segment at startup, and the repair of a torn end.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use tracing::warn;

use super::error::LogError;
use super::scan::{CompleteLine, CompleteLines, arrival};
use crate::atomic_file::replace_file;
use crate::disk;

/// The length and the complete lines of a segment.
pub(super) struct SegmentContents {
    /// The length of the file.
    pub(super) bytes: u64,
    /// The first and the last complete line; `None` if there are none.
    pub(super) lines: Option<(CompleteLine, CompleteLine)>,
    /// The offset of the last lines that are not complete and that a complete line follows.
    last_gap: Option<u64>,
}

impl SegmentContents {
    /// Reads the segment at `path`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let (mut found, mut last_gap, mut end) = (None, None, 0);
        let mut lines = CompleteLines::new(BufReader::new(file));
        while let Some(line) = lines.next().transpose()? {
            if line.end - lines.text().len() as u64 > end {
                last_gap = Some(end);
            }
            end = line.end;
            found = Some(found.map_or((line, line), |(first, _)| (first, line)));
        }
        Ok(Self { bytes, lines: found, last_gap })
    }

    /// Removes what a crash or power failure left of a write: the end of the file after its last complete
    /// line, and all lines that start at offset `torn_from` or later and are not complete.
    ///
    /// A loss of power can keep later pages of a write, and lose earlier ones. The complete lines stay, and
    /// become durable, because readers use them from now on.
    ///
    /// # Errors
    /// When the file cannot be read, truncated or replaced.
    pub(super) fn repair(self, path: &Path, torn_from: u64) -> Result<Self, LogError> {
        let failed = LogError::disk("repair", path);
        let removed = |bytes: u64| {
            if bytes > 0 {
                warn!(path = %path.display(), bytes, "removed an interrupted write from the log");
            }
        };
        let end = self.lines.map_or(0, |(_, last)| last.end);
        if self.last_gap.is_none_or(|gap| gap < torn_from) {
            removed(self.bytes - end);
            let file = disk::File::open_existing(path);
            let truncate = |file: disk::File| file.set_len(end).and_then(|()| file.sync_all());
            file.and_then(truncate).map_err(failed)?;
            return Ok(self);
        }
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(self);
        };
        let copy = |out: &disk::File| {
            let (mut file, mut out) = (BufReader::new(File::open(path)?), BufWriter::new(out));
            let (mut line, mut start) = (Vec::new(), 0);
            while file.read_until(b'\n', &mut line)? > 0 {
                if start < torn_from || arrival(&line).is_some() {
                    out.write_all(&line)?;
                }
                start += line.len() as u64;
                line.clear();
            }
            out.flush()
        };
        replace_file(directory, &name.to_string_lossy(), copy)
            .and_then(|_| Self::read(path))
            .inspect(|repaired| removed(self.bytes - repaired.bytes))
            .map_err(failed)
    }
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
