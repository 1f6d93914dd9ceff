//! Segments: the files of the log, named `<20-digit sequence>.jsonl`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::disk::{self, File};

/// The file of a segment that is being written. Tests inject faults here.
pub(super) trait SegmentFile: Send {
    /// Appends `bytes`. After an error, the file may contain part of them.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes all written bytes durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Truncates the file to `length` bytes.
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

/// Creates the empty file of a segment at a path.
pub(super) type CreateSegment = Box<dyn FnMut(&Path) -> io::Result<Box<dyn SegmentFile>> + Send>;

/// Creates an empty file at `path`, durably.
///
/// # Errors
/// When the file exists, and when it cannot be created durably. In the second case the file is removed.
pub(super) fn create(path: &Path) -> io::Result<Box<dyn SegmentFile>> {
    let file = File::create_new(path)?;
    let synced = path.parent().map_or(Ok(()), disk::sync_dir);
    if let Err(error) = synced {
        disk::remove_file(path)?;
        return Err(error);
    }
    Ok(Box::new(file))
}

/// The path of segment `sequence` in `directory`.
pub(super) fn path(directory: &Path, sequence: u64) -> PathBuf {
    directory.join(format!("{sequence:020}.jsonl"))
}

/// The segments in `directory`, by ascending sequence. Skips other files. Returns none if the directory
/// does not exist.
///
/// # Errors
/// When the directory cannot be read.
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
