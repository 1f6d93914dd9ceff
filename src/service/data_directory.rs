//! The data directory, locked by one process at a time.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::disk;
use crate::output_directory::has_outputs;

/// The lock file, locked by the process that uses the directory. The system releases the lock when the
/// process ends.
const LOCK: &str = "lock";

/// A data directory that cannot be used.
#[derive(Debug, Error)]
pub enum DataDirectoryError {
    /// Another process has locked it.
    #[error(
        "another process serves '{0}'; stop that process, or give another --data: two services need two \
         directories"
    )]
    InUse(PathBuf),
    /// It has the results of a command. A service would continue under their rules.
    #[error("'{0}' has the outputs of another command, not a service's data; give another --data")]
    Outputs(PathBuf),
    /// It cannot be created or locked.
    #[error("cannot use '{path}': {reason}; give --data a directory that can be written")]
    Io {
        /// The directory or its lock file.
        path: PathBuf,
        /// The cause.
        reason: io::Error,
    },
}

/// A data directory that this process has locked. Dropping it releases the lock.
#[derive(Debug)]
pub struct DataDirectory {
    _lock: File,
}

impl DataDirectory {
    /// Creates the directory if it is missing, and locks it.
    ///
    /// # Errors
    /// When another process has locked the directory, when it has the outputs of another command, and
    /// when it cannot be created or locked.
    pub fn lock(path: &Path) -> Result<Self, DataDirectoryError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |reason| DataDirectoryError::Io { path, reason }
        };
        // Durably: the log syncs only what is in the directory.
        disk::create_dir_all(path).map_err(failed(path))?;
        if has_outputs(path).map_err(failed(path))? {
            return Err(DataDirectoryError::Outputs(path.to_owned()));
        }
        let lock_path = path.join(LOCK);
        let lock = File::create(&lock_path).map_err(failed(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirectoryError::InUse(path.to_owned())),
            Err(TryLockError::Error(reason)) => Err(failed(&lock_path)(reason)),
        }
    }
}
