//! The contents of a segment at startup, and the repair of a torn end.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use tracing::warn;

use super::error::LogError;
use super::scan::{CompleteLine, CompleteLines};
use crate::disk;

/// The length and the complete lines of a segment.
pub(super) struct SegmentContents {
    /// The length of the file.
    pub(super) bytes: u64,
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
        let bytes = file.metadata()?.len();
        Ok(Self { bytes, lines: first_and_last(BufReader::new(file))? })
    }

    /// Truncates the file after its last complete line. The rest is from a write that a crash or power
    /// failure interrupted.
    ///
    /// Also makes the complete lines durable, because readers use them from now on and they may be part
    /// of the same write.
    ///
    /// # Errors
    /// When the file cannot be truncated.
    pub(super) fn truncate_torn_end(&self, path: &Path) -> Result<(), LogError> {
        let end = self.lines.map_or(0, |(_, last)| last.end);
        let bytes = self.bytes - end;
        if bytes > 0 {
            warn!(path = %path.display(), bytes, "cut off an incomplete write at the end of the log");
        }
        let file = disk::File::open_existing(path);
        file.and_then(|file| file.set_len(end).and_then(|()| file.sync_all()))
            .map_err(LogError::disk("truncate", path))
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
