//! Segments: the files that the log is written to, `<20-digit sequence>.jsonl`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::store::durable;

/// A segment's file while it is written: what tests put faults under.
pub(super) trait SegmentFile: Send {
    /// Adds `bytes` at its end. Where it fails, a part of them may be there.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes all that was written durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts it back to its first `length` bytes.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

impl SegmentFile for File {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        Write::write_all(self, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// Makes an empty segment's file at a path.
pub(super) type Create = Box<dyn FnMut(&Path) -> io::Result<Box<dyn SegmentFile>> + Send>;

/// Makes an empty file at `path`, durably.
///
/// # Errors
/// A file that is there, or that cannot be made: then nothing is left of it.
pub(super) fn create(path: &Path) -> io::Result<Box<dyn SegmentFile>> {
    let file = OpenOptions::new().append(true).create_new(true).open(path)?;
    let synced = path.parent().map_or(Ok(()), durable::sync);
    if let Err(error) = synced {
        fs::remove_file(path)?;
        return Err(error);
    }
    Ok(Box::new(file))
}

/// The path of segment `sequence` in `directory`.
pub(super) fn path(directory: &Path, sequence: u64) -> PathBuf {
    directory.join(format!("{sequence:020}.jsonl"))
}

/// The segments in `directory`, in the order of their sequence; none where there is no directory.
/// Other files are passed over.
///
/// # Errors
/// A directory that cannot be read.
pub(super) fn list(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut segments = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let sequence = name.to_str().and_then(|name| name.strip_suffix(".jsonl")?.parse().ok());
        if let Some(sequence) = sequence
            && path(directory, sequence).file_name() == Some(&name)
        {
            segments.push((sequence, directory.join(name)));
        }
    }
    segments.sort();
    Ok(segments)
}
