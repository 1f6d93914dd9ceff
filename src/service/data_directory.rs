//! The data directory, locked by one process at a time.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::atomic_file::remove_if_exists;
use crate::backup_manifest::{BackupManifest, MANIFEST, ManifestError};
use crate::disk;
use crate::io_reason::remedy;
use crate::output_directory::has_outputs;
use crate::store::Directory;

/// The lock file, locked by the process that uses the directory. The system releases the lock when the
/// process ends.
pub const LOCK: &str = "lock";

/// The remedy for a path that the system does not accept as a directory.
const WRITABLE: &str = "give --data a directory that can be written";

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
    /// It is a backup that was interrupted, or in which damage was found.
    #[error(
        "'{0}' is an incomplete backup; run velodrome backup again to complete it, or use --accept-damage to \
         continue with what it has"
    )]
    IncompleteBackup(PathBuf),
    /// The manifest of a backup cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It cannot be created or locked.
    #[error("cannot use '{path}': {reason}; {}", remedy(.reason).unwrap_or(WRITABLE))]
    Io {
        /// The directory or its lock file.
        path: PathBuf,
        /// The cause.
        reason: io::Error,
    },
}

/// Whether a process uses the data directory at `path` now. Changes nothing.
pub fn is_served(path: &Path) -> bool {
    let lock = File::open(path.join(LOCK));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// A data directory that this process has locked. Dropping it releases the lock.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
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
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirectoryError::InUse(path.to_owned())),
            Err(TryLockError::Error(reason)) => Err(failed(&lock_path)(reason)),
        }
    }

    /// Makes a backup the data directory of a service: no later backup may replace its files.
    ///
    /// # Errors
    /// When the backup is incomplete, unless damage is accepted, and when its manifest cannot be read or
    /// removed.
    pub fn claim(&self, accept_damage: bool) -> Result<(), DataDirectoryError> {
        let manifest = BackupManifest::read(&Directory::new(self.path.clone()))?;
        if manifest.is_some_and(|manifest| !manifest.is_complete && !accept_damage) {
            return Err(DataDirectoryError::IncompleteBackup(self.path.clone()));
        }
        let path = self.path.join(MANIFEST);
        remove_if_exists(&path).map_err(|reason| DataDirectoryError::Io { path, reason })
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    use super::*;
    use crate::disk::tests::simulated::Disk;

    #[test]
    fn the_name_of_a_new_directory_is_durable() {
        for seed in 0..20 {
            let root = tempfile::tempdir().unwrap();
            let (disk, data) = (Disk::mount(root.path()), root.path().join("data"));
            drop(DataDirectory::lock(&data).unwrap());
            disk.lose_power(&mut Pcg64::seed_from_u64(seed));
            disk.unmount();
            assert!(data.is_dir(), "{seed}");
        }
    }
}
