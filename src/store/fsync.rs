//! Directories whose entries survive a loss of power.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Makes the entries of the directory at `path` durable: files created, renamed or removed in it.
///
/// # Errors
/// The directory cannot be opened or synced.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Creates the directory at `path` and its missing parents, durably.
///
/// # Errors
/// A directory cannot be created or synced.
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_dir_all(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_dir(parent),
    }
}
