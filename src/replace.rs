//! Files that are replaced or removed as a whole.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Puts a file in the place of `name` in `directory`, which is made where it is not there: whoever
/// reads it, after a crash too, finds the old or the new one. Once this returns, it is the new one; it is
/// returned to be read, with what `write` gives.
///
/// # Errors
/// What `write` or the disk says; then it may be either.
pub fn replace<T>(
    directory: &Path,
    name: &str,
    write: impl FnOnce(&File) -> io::Result<T>,
) -> io::Result<(File, T)> {
    fs::create_dir_all(directory)?;
    let hidden = directory.join(format!(".{name}"));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&hidden)?;
    let written = write(&file)?;
    file.sync_all()?;
    fs::rename(&hidden, directory.join(name))?;
    File::open(directory)?.sync_all()?;
    Ok((file, written))
}

/// Removes the file at `path`, where it is there.
///
/// # Errors
/// What the disk says.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
