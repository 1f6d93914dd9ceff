//! Why a result file could not be written.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A result file that could not be written.
#[derive(Debug, Error)]
#[error("cannot write '{path}': {reason}; pass a writable directory with --out")]
pub struct WriteError {
    /// The file or directory that could not be written.
    pub path: PathBuf,
    reason: io::Error,
}

impl WriteError {
    /// An error `reason` at the file or directory `path`.
    pub fn new(path: &Path, reason: io::Error) -> Self {
        Self { path: path.to_owned(), reason }
    }
}
