//! Files that are replaced as a whole.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Puts a file in the place of `name` in `directory`, which is made where it is not there: whoever
/// reads it, after a crash too, finds the old or the new one. Once this returns, it is the new one.
///
/// # Errors
/// What `write` or the disk says; then it may be either.
pub fn replace(
    directory: &Path,
    name: &str,
    write: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let hidden = directory.join(format!(".{name}"));
    let file = File::create(&hidden)?;
    write(&file)?;
    file.sync_all()?;
    fs::rename(&hidden, directory.join(name))?;
    File::open(directory)?.sync_all()
}
