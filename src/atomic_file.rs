//! Atomic replacement and removal of files.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::disk::{self, File};

/// Replaces the file `name` in `directory` atomically and durably. A missing directory is created.
///
/// Readers see the previous or the new file, never a partial one, even after a crash. On return the new
/// file is durable. Returns it, open for reading, together with the result of `write`.
///
/// # Errors
/// If `write` or the disk fails. The file is then either the previous or the new one.
pub fn replace_file<T>(
    directory: &Path,
    name: &str,
    write: impl FnOnce(&File) -> io::Result<T>,
) -> io::Result<(fs::File, T)> {
    disk::create_dir_all(directory)?;
    let hidden = directory.join(format!(".{name}"));
    let file = File::create(&hidden)?;
    let written = write(&file)?;
    file.sync_all()?;
    disk::rename(&hidden, &directory.join(name))?;
    disk::sync_dir(directory)?;
    Ok((file.into_std(), written))
}

/// Removes the file at `path`, if it exists.
///
/// # Errors
/// If the disk fails.
pub fn remove_if_exists(path: &Path) -> io::Result<()> {
    match disk::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
