//! The staging directory of a run: its lock, its outputs until they are complete, and what an earlier
//! run left.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::OutputError;
use super::manifest::Manifest;

const LOCK: &str = "lock";
const NEW: &str = "new";
const OLD: &str = "old";

/// The staging directory of an output directory, locked by this run. Dropping it removes it, unless it has
/// outputs of an earlier run and this run was refused.
#[derive(Debug)]
pub(super) struct Staging {
    root: PathBuf,
    new: PathBuf,
    old: PathBuf,
    /// The system releases the lock when the process ends.
    _lock: File,
    /// Whether the staging directory remains when this is dropped.
    is_kept: bool,
}

impl Staging {
    /// Creates and locks the staging directory of the output directory `place`, which the user gave as
    /// `out`. Restores the previous outputs if an earlier run was killed while it replaced them.
    pub(super) fn lock(out: &Path, place: &Path) -> Result<Self, OutputError> {
        let mut name = OsString::from(".");
        name.push(place.file_name().unwrap_or_default());
        name.push(".velodrome");
        let root = place.with_file_name(name);
        let lock = loop {
            match fs::create_dir(&root) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(OutputError::io(&root)(error));
                }
                _ => check(&root)?,
            }
            match try_lock(&root.join(LOCK)) {
                Ok(Some(lock)) => break lock,
                Ok(None) => {}
                Err(TryLockError::WouldBlock) => return Err(OutputError::InUse(out.to_owned())),
                Err(TryLockError::Error(error)) => return Err(OutputError::io(&root)(error)),
            }
        };
        let (new, old) = (root.join(NEW), root.join(OLD));
        let staging = Self { root, new, old, _lock: lock, is_kept: true };
        staging.restore(place).map_err(OutputError::io(&staging.root))?;
        Ok(staging)
    }

    /// The directory of the new outputs.
    pub(super) fn new_outputs(&self) -> &Path {
        &self.new
    }

    /// Where the previous outputs are while they are replaced in two steps.
    pub(super) fn old_outputs(&self) -> &Path {
        &self.old
    }

    /// Removes what an earlier run left, and creates the directory of the new outputs. It has the
    /// permissions of `place` if that exists.
    pub(super) fn create_new(&mut self, place: &Path) -> io::Result<()> {
        self.discard()?;
        self.is_kept = false;
        fs::create_dir(&self.new)?;
        match fs::metadata(place) {
            Ok(metadata) => fs::set_permissions(&self.new, metadata.permissions()),
            Err(_) => Ok(()),
        }
    }

    /// Leaves the new outputs in place when this is dropped, and returns their directory.
    pub(super) fn keep(&mut self) -> PathBuf {
        self.is_kept = true;
        self.new.clone()
    }

    fn restore(&self, place: &Path) -> io::Result<()> {
        match !fs::exists(place)? && fs::exists(&self.old)? {
            true => fs::rename(&self.old, place),
            false => Ok(()),
        }
    }

    fn discard(&self) -> io::Result<()> {
        discard(&self.new)?;
        discard(&self.old)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run, or reported by it.
        if !self.is_kept {
            _ = self.discard();
        }
        _ = fs::remove_file(self.root.join(LOCK));
        _ = fs::remove_dir(&self.root);
    }
}

/// Checks that nothing but a run's files is in the staging directory.
fn check(root: &Path) -> Result<(), OutputError> {
    let foreign = || -> io::Result<Option<PathBuf>> {
        if !fs::symlink_metadata(root)?.is_dir() {
            return Ok(Some(root.to_owned()));
        }
        for entry in fs::read_dir(root)? {
            let entry = entry?;
            let (name, kind) = (entry.file_name(), entry.file_type()?);
            let is_ours = match kind.is_dir() {
                true => name == NEW || name == OLD,
                false => name == LOCK && kind.is_file(),
            };
            if !is_ours {
                return Ok(Some(entry.path()));
            }
        }
        Ok(None)
    };
    match foreign() {
        Ok(None) => Ok(()),
        Ok(Some(path)) => Err(OutputError::Staging(path)),
        // Another run has removed it just now.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(OutputError::io(root)(error)),
    }
}

/// Creates and locks the file at `path`. Returns `None` if another run removed it meanwhile.
fn try_lock(path: &Path) -> Result<Option<File>, TryLockError> {
    let lock = match File::create(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        lock => lock.map_err(TryLockError::Error)?,
    };
    lock.try_lock()?;
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let locked = lock.metadata().map(identity).map_err(TryLockError::Error)?;
    Ok(fs::metadata(path).is_ok_and(|metadata| identity(metadata) == locked).then_some(lock))
}

/// Removes a directory of complete outputs by its manifest, or one of incomplete outputs with all its
/// files.
fn discard(outputs: &Path) -> io::Result<()> {
    let removed = match Manifest::read(outputs)? {
        Some(manifest) => manifest.remove(outputs),
        None => fs::remove_dir_all(outputs),
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
