//! Letters that wait for the archive: files that have their objects' names.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;
use uuid::Uuid;

use crate::ingest::objects;

/// From here on a file is closed: an object of a size that Firehose delivers, some 20,000 letters.
const FILE_BYTES: u64 = 8 << 20;

/// How long a file is open: as long as a segment of the log is.
const FILE_MS: u64 = 60_000;

/// How much waits at most, where the archive takes none: about a million letters.
pub(super) const SPOOL_BYTES_MAX: u64 = 256 << 20;

/// A spool that cannot be used.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// It cannot be made, read or written.
    #[error("cannot {action} '{path}', which dead letters wait in: {reason}")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// The spool, or a file of it.
        path: PathBuf,
        /// What failed; part of the message, hence not its source.
        reason: io::Error,
    },
    /// As much waits as may.
    #[error(
        "dead letters are dropped: {SPOOL_BYTES_MAX} bytes of them wait for the archive in '{0}'"
    )]
    Full(PathBuf),
}

/// The files, of which the newest may be open.
#[derive(Debug)]
pub(super) struct Spool {
    path: PathBuf,
    open: Option<Open>,
    /// Of all files.
    bytes: u64,
    /// The last letters were dropped.
    drops: bool,
}

/// The file that is written to.
#[derive(Debug)]
struct Open {
    name: String,
    file: File,
    bytes: u64,
    since_ms: u64,
}

impl Spool {
    /// The spool at `path`, which is made where it is not there. Half a letter at a file's end is cut.
    pub(super) fn open(path: &Path) -> Result<Self, SpoolError> {
        fs::create_dir_all(path).map_err(disk("make", path))?;
        let mut spool = Self { path: path.to_owned(), open: None, bytes: 0, drops: false };
        for name in spool.closed()? {
            let path = path.join(name);
            spool.bytes += whole_lines(&path).map_err(disk("read", &path))?;
        }
        Ok(spool)
    }

    /// Adds whole letters, all of them or none.
    pub(super) fn add(&mut self, letters: &[u8], now_ms: u64) -> Result<(), SpoolError> {
        let bytes = letters.len() as u64;
        if self.bytes + bytes > SPOOL_BYTES_MAX {
            return Err(SpoolError::Full(self.path.clone()));
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::new(&self.path, now_ms)?,
        };
        if let Err(reason) = open.file.write_all(letters) {
            // Half a letter would spoil the next one.
            match open.bytes {
                0 => _ = fs::remove_file(self.file(&open.name)),
                whole if open.file.set_len(whole).is_ok() => self.open = Some(open),
                _ => (),
            }
            return Err(disk("write", &self.path)(reason));
        }
        open.bytes += bytes;
        self.bytes += bytes;
        self.drops = false;
        self.open = (open.bytes < FILE_BYTES).then_some(open);
        Ok(())
    }

    /// Whether letters that are dropped now are the first since some were kept.
    pub(super) fn begins_to_drop(&mut self) -> bool {
        !std::mem::replace(&mut self.drops, true)
    }

    /// Closes the open file, if it is old enough.
    pub(super) fn close_old(&mut self, now_ms: u64) {
        // A clock that went back far must not keep it open for as long.
        self.open.take_if(|open| now_ms.abs_diff(open.since_ms) >= FILE_MS);
    }

    /// The names of the closed files, oldest first.
    pub(super) fn closed(&self) -> Result<Vec<String>, SpoolError> {
        let list = || {
            let entries = fs::read_dir(&self.path)?;
            entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()
        };
        let names = list().map_err(disk("list", &self.path))?.into_iter();
        let names = names.filter_map(|name| name.into_string().ok());
        let is_open = |name: &String| self.open.as_ref().is_some_and(|open| open.name == *name);
        let mut names: Vec<_> =
            names.filter(|name| objects::failed_key(name).is_some() && !is_open(name)).collect();
        names.sort();
        Ok(names)
    }

    /// The file of a name.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Removes a closed file.
    pub(super) fn remove(&mut self, name: &str) -> Result<(), SpoolError> {
        let path = self.file(name);
        let remove = || {
            let bytes = fs::metadata(&path)?.len();
            fs::remove_file(&path)?;
            Ok(bytes)
        };
        self.bytes = self.bytes.saturating_sub(remove().map_err(disk("remove", &path))?);
        Ok(())
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Open {
    fn new(spool: &Path, now_ms: u64) -> Result<Self, SpoolError> {
        let name = objects::failed_name(now_ms, &Uuid::new_v4().to_string());
        let path = spool.join(&name);
        // Appending, so that what is written after a cut is behind it.
        let file = OpenOptions::new().create_new(true).append(true).open(&path);
        let file = file.map_err(disk("make", &path))?;
        Ok(Self { name, file, bytes: 0, since_ms: now_ms })
    }
}

/// Cuts the file at `path` behind its last newline, or removes it where it has none; gives its length.
fn whole_lines(path: &Path) -> io::Result<u64> {
    let bytes = fs::read(path)?;
    let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |at| at + 1) as u64;
    match whole {
        0 => fs::remove_file(path)?,
        _ => OpenOptions::new().write(true).open(path)?.set_len(whole)?,
    }
    Ok(whole)
}

fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SpoolError {
    let path = path.to_owned();
    move |reason| SpoolError::Disk { action, path, reason }
}
