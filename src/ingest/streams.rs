//! Streams among the files of a run: standard input, pipes and devices, which can be read only once.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::input::{Input, Origin};
use crate::file_id::FileId;

/// Why a stream cannot be used.
#[derive(Debug, Error)]
pub enum StreamError {
    /// Two paths lead to the same stream.
    #[error(
        "'{0}' and '{1}' are the same stream, which can be read only once; give it once, or copy it to a \
         file"
    )]
    Repeated(PathBuf, PathBuf),
    /// A process other than 0 was given a stream.
    #[error(
        "process {1} cannot read '{0}', because only process 0 reads standard input and pipes; pass it \
         the data as -, and start process {1} with - and </dev/null"
    )]
    NotFirst(PathBuf, usize),
    /// The stream cannot be examined.
    #[error("cannot read '{0}': {1}")]
    Read(PathBuf, io::Error),
}

/// Checks that no stream is read twice, by any path or link, and that process `process` of the run may
/// read them: only process 0 does. `others` are further files that the run reads.
///
/// Another process must have an empty standard input (`/dev/null`) where process 0 has the data.
/// Otherwise its data would be ignored.
///
/// # Errors
/// If a stream is repeated, or `process` is another one and has a stream with data.
pub fn check<'a>(
    inputs: &'a [Input],
    others: impl IntoIterator<Item = &'a Path>,
    process: usize,
) -> Result<(), StreamError> {
    let streams = inputs.iter().filter_map(|input| match &input.origin {
        Origin::Stream(path) => Some(path.as_path()),
        Origin::File(_) | Origin::Object(..) | Origin::Parts(_) => None,
    });
    let mut seen: Vec<(FileId, &Path)> = Vec::new();
    for path in others {
        match fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => add(&mut seen, path, &metadata)?,
            // A file that does not exist is reported when it is read.
            _ => {}
        }
    }
    for path in streams {
        let metadata = metadata(path).map_err(|error| StreamError::Read(path.to_owned(), error))?;
        if process > 0 && !is_null(&metadata) {
            return Err(StreamError::NotFirst(path.to_owned(), process));
        }
        add(&mut seen, path, &metadata)?;
    }
    for input in inputs {
        if let Origin::File(path) = &input.origin
            && let Ok(metadata) = fs::metadata(path)
            && let Some((_, stream)) = seen.iter().find(|(id, _)| *id == FileId::from(&metadata))
        {
            return Err(StreamError::Repeated(stream.to_path_buf(), path.clone()));
        }
    }
    Ok(())
}

/// Adds a stream to those `seen` so far.
fn add<'a>(
    seen: &mut Vec<(FileId, &'a Path)>,
    path: &'a Path,
    metadata: &Metadata,
) -> Result<(), StreamError> {
    let id = FileId::from(metadata);
    if let Some((_, first)) = seen.iter().find(|(other, _)| *other == id) {
        return Err(StreamError::Repeated(first.to_path_buf(), path.to_owned()));
    }
    seen.push((id, path));
    Ok(())
}

/// The metadata of a stream, where `-` is standard input.
fn metadata(path: &Path) -> io::Result<Metadata> {
    match path.as_os_str() == "-" {
        true => File::from(io::stdin().as_fd().try_clone_to_owned()?).metadata(),
        false => fs::metadata(path),
    }
}

/// Whether a stream is the null device.
fn is_null(metadata: &Metadata) -> bool {
    let null = fs::metadata("/dev/null");
    metadata.file_type().is_char_device() && null.is_ok_and(|null| null.rdev() == metadata.rdev())
}
