//! Atomic replacement and removal of files.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::disk::{self, Directory, File};

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
    // Open it first: if there are too many open files, nothing is replaced.
    let opened = Directory::open(directory)?;
    let replaced = replace_file_unless(directory, name, write, |_| false)?;
    opened.sync()?;
    replaced.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Replaces the file `name` as [`replace_file`] does, unless `is_unwanted` holds for the result of
/// `write`. Then the previous file stays, and `None` is returned.
///
/// The new file is durable after the next [`disk::sync_dir`] of `directory`. A crash before it can restore the previous
/// file.
///
/// # Errors
/// As [`replace_file`].
pub fn replace_file_unless<T>(
    directory: &Path,
    name: &str,
    write: impl FnOnce(&File) -> io::Result<T>,
    is_unwanted: impl FnOnce(&T) -> bool,
) -> io::Result<Option<(fs::File, T)>> {
    disk::create_dir_all(directory)?;
    let hidden = directory.join(format!(".{name}"));
    let file = File::create(&hidden)?;
    let written = write(&file)?;
    if is_unwanted(&written) {
        disk::remove_file(&hidden)?;
        return Ok(None);
    }
    file.sync_all()?;
    disk::rename(&hidden, &directory.join(name))?;
    Ok(Some((file.into_std(), written)))
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
