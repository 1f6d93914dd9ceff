//! Directories whose entries outlive a loss of power.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Makes the entries of the directory at `path` durable: files made, renamed or removed in it.
///
/// # Errors
/// A directory that cannot be opened or synced.
pub fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes the directory at `path` and those that it is in, durably, but for those that are there.
///
/// # Errors
/// A directory that cannot be made or synced.
pub fn create(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync(parent),
    }
}
