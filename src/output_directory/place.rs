//! The place of an output directory: what is there, and how new outputs replace it.

use std::env;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::error::OutputError;
use super::manifest::{Kind, Manifest};
use crate::disk;

/// What is in the place of an output directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    Nothing,
    /// An empty directory.
    Empty,
    /// A directory with outputs and nothing else.
    Outputs,
}

/// The path of `out` without symbolic links. Creates missing parents.
pub(super) fn resolve(out: &Path) -> io::Result<PathBuf> {
    match out.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound && !out.is_symlink() => {
            let name = out.file_name().ok_or(ErrorKind::InvalidInput)?;
            let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            fs::create_dir_all(parent)?;
            Ok(parent.canonicalize()?.join(name))
        }
        path => path,
    }
}

/// Checks that `place`, which the user gave as `out`, does not contain the current directory. A shell in
/// it would remain in the replaced directory.
pub(super) fn check_current_directory(out: &Path, place: &Path) -> Result<(), OutputError> {
    match env::current_dir() {
        Ok(current) if current.starts_with(place) => {
            Err(OutputError::CurrentDirectory(out.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Checks that `place`, which the user gave as `out`, is absent, empty, or has only outputs of `kind`.
pub(super) fn check(out: &Path, place: &Path, kind: Kind) -> Result<Existing, OutputError> {
    let failed = |reason| OutputError::io(out)(reason);
    let out = out.to_owned();
    if let Some(data) = place.ancestors().skip(1).find(|parent| is_data_directory(parent)) {
        return Err(OutputError::InData { out, data: data.to_owned() });
    }
    match fs::metadata(place).as_ref().map(Metadata::is_dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Existing::Nothing),
        Ok(false) => return Err(OutputError::NotADirectory(out)),
        _ => {}
    }
    let (existing, foreign) = match Manifest::read(place).map_err(failed)? {
        Some(Manifest { kind: found, .. }) if found != kind => {
            return Err(OutputError::OtherKind { out, found, kind });
        }
        Some(manifest) => (Existing::Outputs, manifest.foreign(place).map_err(failed)?),
        None => {
            let first = fs::read_dir(place).and_then(|mut entries| entries.next().transpose());
            let name = first.map_err(failed)?.map(|entry| entry.file_name());
            (Existing::Empty, name.map(|name| name.to_string_lossy().into_owned()))
        }
    };
    match foreign {
        Some(name) => Err(OutputError::Foreign { out, name, kind }),
        None => Ok(existing),
    }
}

/// Whether a service stores its data in the directory `path`.
fn is_data_directory(path: &Path) -> bool {
    path.join("lock").is_file() && path.join("log").is_dir()
}

/// Moves the directory `new` to `place`, which is absent or an empty directory.
pub(super) fn replace_empty(new: &Path, place: &Path) -> io::Result<()> {
    fs::rename(new, place)?;
    sync_parent(place)
}

/// Replaces the outputs in `place` by the directory `new`. The previous outputs are then in `new`, or in
/// `old`.
pub(super) fn replace_outputs(new: &Path, place: &Path, old: &Path) -> io::Result<()> {
    match renameat_with(CWD, new, CWD, place, RenameFlags::EXCHANGE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => replace_in_two_steps(new, place, old)?,
        exchanged => exchanged?,
    }
    sync_parent(place)
}

/// Does the same on a file system that cannot exchange two directories. If the process is killed between
/// the steps, the next run restores the previous outputs from `old`.
pub(super) fn replace_in_two_steps(new: &Path, place: &Path, old: &Path) -> io::Result<()> {
    fs::rename(place, old)?;
    fs::rename(new, place).inspect_err(|_| fs::rename(old, place).unwrap_or_default())
}

fn sync_parent(place: &Path) -> io::Result<()> {
    place.parent().map_or(Ok(()), disk::sync_dir)
}
