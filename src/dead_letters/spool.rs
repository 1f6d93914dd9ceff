//! The spool: files of dead letters that wait for the archive, named like their future objects.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;
use uuid::Uuid;

use crate::disk::{self, File};
use crate::ingest::object_names;
use crate::io_reason::IoReason;

/// The folder of the spool in a data directory.
pub const SPOOL: &str = "rejected";

/// A file of this size is closed. It has some 20,000 dead letters, and the size of a typical object that
/// Firehose delivers.
const FILE_BYTES: u64 = 8 << 20;

/// A file of this age is closed. Segments of the log are closed at the same age.
const FILE_MS: u64 = 60_000;

/// The capacity of the spool: about a million dead letters. Beyond it, dead letters are dropped.
pub(super) const SPOOL_BYTES_MAX: u64 = 256 << 20;

/// Why the spool cannot be used.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// It cannot be created, read or written.
    #[error(
        "cannot {action} '{path}', where dead letters wait for the archive: {}",
        IoReason(.reason)
    )]
    Disk {
        /// The operation, as a verb.
        action: &'static str,
        /// The spool directory, or a file in it.
        path: PathBuf,
        /// The cause. It is part of the message, and therefore not the error's source.
        reason: io::Error,
    },
    /// The spool is full.
    #[error(
        "dead letters are dropped: '{0}' has reached its limit of {SPOOL_BYTES_MAX} bytes; make the \
         archive reachable again"
    )]
    Full(PathBuf),
}

/// The files of the spool. At most one is open for writing.
#[derive(Debug)]
pub(super) struct Spool {
    path: PathBuf,
    open: Option<OpenFile>,
    /// The size of all files.
    bytes: u64,
    /// Whether the most recent dead letters were dropped.
    is_dropping: bool,
}

/// The file that is being written.
#[derive(Debug)]
struct OpenFile {
    name: String,
    file: File,
    bytes: u64,
    since_ms: u64,
}

impl Spool {
    /// Opens the spool at `path`, and creates it if it does not exist. Incomplete lines at the end of
    /// files, which a crash leaves, are cut off.
    pub(super) fn open(path: &Path) -> Result<Self, SpoolError> {
        disk::create_dir_all(path).map_err(failed("create", path))?;
        let mut spool = Self { path: path.to_owned(), open: None, bytes: 0, is_dropping: false };
        for name in spool.closed()? {
            let path = path.join(name);
            spool.bytes += truncate_to_lines(&path).map_err(failed("read", &path))?;
        }
        Ok(spool)
    }

    /// Appends complete lines, all of them or none.
    pub(super) fn add(&mut self, lines: &[u8], now_ms: u64) -> Result<(), SpoolError> {
        let bytes = lines.len() as u64;
        if self.bytes + bytes > SPOOL_BYTES_MAX {
            return Err(SpoolError::Full(self.path.clone()));
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => OpenFile::create(&self.path, now_ms)?,
        };
        if let Err(reason) = open.file.write_all(lines) {
            // An incomplete line would corrupt the next one.
            match open.bytes {
                0 => _ = disk::remove_file(&self.path(&open.name)),
                complete if open.file.set_len(complete).is_ok() => self.open = Some(open),
                _ => (),
            }
            return Err(failed("write", &self.path)(reason));
        }
        open.bytes += bytes;
        self.bytes += bytes;
        self.is_dropping = false;
        self.open = (open.bytes < FILE_BYTES).then_some(open);
        Ok(())
    }

    /// Records that dead letters were dropped. Returns whether these are the first since the last
    /// success.
    pub(super) fn mark_dropping(&mut self) -> bool {
        !std::mem::replace(&mut self.is_dropping, true)
    }

    /// Closes the open file if it is old enough.
    pub(super) fn close_old(&mut self, now_ms: u64) {
        // The absolute difference, so that a clock that was set back does not keep the file open.
        self.open.take_if(|open| now_ms.abs_diff(open.since_ms) >= FILE_MS);
    }

    /// The names of the closed files, oldest first.
    pub(super) fn closed(&self) -> Result<Vec<String>, SpoolError> {
        let list = || {
            let entries = fs::read_dir(&self.path)?;
            entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()
        };
        let names = list().map_err(failed("list", &self.path))?.into_iter();
        let names = names.filter_map(|name| name.into_string().ok());
        let is_open = |name: &String| self.open.as_ref().is_some_and(|open| open.name == *name);
        let mut names: Vec<_> = names
            .filter(|name| object_names::failed_object_key(name).is_some() && !is_open(name))
            .collect();
        names.sort();
        Ok(names)
    }

    /// The path of the file with this name.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Removes a closed file.
    pub(super) fn remove(&mut self, name: &str) -> Result<(), SpoolError> {
        let path = self.path(name);
        let remove = || {
            let bytes = fs::metadata(&path)?.len();
            disk::remove_file(&path)?;
            Ok(bytes)
        };
        self.bytes = self.bytes.saturating_sub(remove().map_err(failed("remove", &path))?);
        Ok(())
    }

    /// The size of all files in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl OpenFile {
    fn create(spool: &Path, now_ms: u64) -> Result<Self, SpoolError> {
        let name = object_names::failed_object_name(now_ms, &Uuid::new_v4().to_string());
        let path = spool.join(&name);
        // Append mode: after a truncation, the next write continues at the new end.
        let file = File::create_new(&path);
        let file = file.map_err(failed("create", &path))?;
        Ok(Self { name, file, bytes: 0, since_ms: now_ms })
    }
}

/// Truncates the file at `path` after its last newline, or removes it if it has none. Returns the new
/// size.
fn truncate_to_lines(path: &Path) -> io::Result<u64> {
    let bytes = fs::read(path)?;
    let complete = memchr::memrchr(b'\n', &bytes).map_or(0, |at| at + 1) as u64;
    match complete {
        0 => disk::remove_file(path)?,
        _ => File::open_existing(path)?.set_len(complete)?,
    }
    Ok(complete)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SpoolError {
    let path = path.to_owned();
    move |reason| SpoolError::Disk { action, path, reason }
}
