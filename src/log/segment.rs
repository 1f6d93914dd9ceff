//! Segments: the files of the log, named `<20-digit sequence>.jsonl`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The greatest sequence: the names of the archive have 48 bits for it.
pub(super) const SEQUENCE_MAX: u64 = (1 << 48) - 1;

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
        self.sync_data()?;
        // What is written to a file without a name is lost with the process.
        #[cfg(unix)]
        if std::os::unix::fs::MetadataExt::nlink(&self.metadata()?) == 0 {
            return Err(io::Error::new(io::ErrorKind::NotFound, "somebody removed the file"));
        }
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// Creates the empty file of a segment at a path.
pub(super) type CreateSegment =
    Box<dyn FnMut(&Path) -> Result<Box<dyn SegmentFile>, CreateError> + Send>;

/// Why a segment was not created.
#[derive(Debug)]
pub(super) enum CreateError {
    /// The file or its directory could not be opened. Nothing has changed.
    Open(io::Error),
    /// The `fsync` of the directory failed, so it is unknown whether the file is durable.
    Sync(io::Error),
}

/// Creates an empty file at `path`, durably.
///
/// # Errors
/// When the file exists, and when it cannot be created durably. In the second case the file is removed.
pub(super) fn create(path: &Path) -> Result<Box<dyn SegmentFile>, CreateError> {
    // Open the directory first: if there are too many open files, no file is created.
    let directory = File::open(path.parent().unwrap_or(path)).map_err(CreateError::Open)?;
    let file = OpenOptions::new().append(true).create_new(true).open(path);
    let file = file.map_err(CreateError::Open)?;
    if let Err(error) = directory.sync_all() {
        fs::remove_file(path).map_err(CreateError::Sync)?;
        return Err(CreateError::Sync(error));
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
            && sequence <= SEQUENCE_MAX
            && path(directory, sequence).file_name() == Some(&name)
        {
            segments.push((sequence, directory.join(name)));
        }
    }
    segments.sort();
    Ok(segments)
}
