//! The data directory: one process at a time.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The file that the owner of a directory holds locked; the lock ends with the process.
const LOCK: &str = "lock";

/// A data directory that cannot be used.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// Another process has it.
    #[error(
        "another process serves '{0}'; stop that one, or give another --data: two services need two \
         directories"
    )]
    InUse(PathBuf),
    /// It cannot be made or locked.
    #[error("cannot use '{path}': {reason}; give --data a directory that can be written")]
    Io {
        /// The directory or its lock.
        path: PathBuf,
        /// What failed.
        reason: io::Error,
    },
}

/// A data directory that is this process's own as long as this lives.
#[derive(Debug)]
pub struct Directory {
    _lock: File,
}

impl Directory {
    /// Makes the directory where it is not there, and takes it.
    ///
    /// # Errors
    /// A directory that another process has, or that cannot be made or locked.
    pub fn take(path: &Path) -> Result<Self, DirectoryError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |reason| DirectoryError::Io { path, reason }
        };
        fs::create_dir_all(path).map_err(failed(path))?;
        let lock_path = path.join(LOCK);
        let lock = File::create(&lock_path).map_err(failed(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DirectoryError::InUse(path.to_owned())),
            Err(TryLockError::Error(reason)) => Err(failed(&lock_path)(reason)),
        }
    }
}
