//! Names of files: renamed, removed, and made durable.

use std::fs;
use std::io;
use std::path::Path;

#[cfg(test)]
use super::tests::simulated;

/// Renames the file at `from` to `to` in the same directory, replacing any file there.
///
/// # Errors
/// When the disk fails. Nothing has changed then.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(test)]
    if let Some(disk) = simulated::find(from) {
        return disk.rename(from, to);
    }
    fs::rename(from, to)
}

/// Removes the file at `path`.
///
/// # Errors
/// When there is no file, and when the disk fails.
pub fn remove_file(path: &Path) -> io::Result<()> {
    #[cfg(test)]
    if let Some(disk) = simulated::find(path) {
        return disk.remove_file(path);
    }
    fs::remove_file(path)
}

/// Makes the entries of the directory at `path` durable: files created, renamed or removed in it.
///
/// # Errors
/// When the directory cannot be opened or synced.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    #[cfg(test)]
    if let Some(disk) = simulated::find(path) {
        return disk.sync_dir(path);
    }
    fs::File::open(path)?.sync_all()
}

/// Creates the directory at `path` and its missing parents, durably.
///
/// The name of a directory that exists is made durable too, because a crash can have interrupted its creation.
///
/// # Errors
/// When a directory cannot be created or synced.
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if path.is_dir() {
        return match sync_dir(parent) {
            // Then another user created the directory.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            synced => synced,
        };
    }
    create_dir_all(parent)?;
    match create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_dir(parent),
    }
}

fn create_dir(path: &Path) -> io::Result<()> {
    #[cfg(test)]
    if let Some(disk) = simulated::find(path) {
        return disk.create_dir(path);
    }
    fs::create_dir(path)
}
