//! The identity of a file, independent of the paths and links that lead to it.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;

/// The identity of a file: two paths lead to the same file if their ids are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl From<&Metadata> for FileId {
    fn from(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// Whether a path cannot be followed because its symbolic links lead back to themselves.
pub fn is_link_loop(error: &io::Error) -> bool {
    // The error has no stable kind yet. This is ELOOP on Linux and on macOS.
    error.raw_os_error() == Some(if cfg!(target_os = "linux") { 40 } else { 62 })
}
