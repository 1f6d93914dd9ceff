//! Why an output directory cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::manifest::Kind;

/// An output directory that cannot be used.
#[derive(Debug, Error)]
pub enum OutputError {
    /// The path is something else than a directory.
    #[error("'{0}' is not a directory; give --out a directory that is absent or empty")]
    NotADirectory(PathBuf),
    /// A file is in the directory that no run of this kind wrote.
    #[error(
        "'{out}' has '{name}', which {} did not write; give --out a directory that is absent or empty",
        .kind.writers()
    )]
    Foreign {
        /// The directory.
        out: PathBuf,
        /// The path of the file in the directory.
        name: String,
        /// The kind of the run.
        kind: Kind,
    },
    /// The directory has outputs of another kind.
    #[error(
        "'{out}' has the outputs of {}, which {} does not replace; give another --out",
        .found.writers(), .kind.writers()
    )]
    OtherKind {
        /// The directory.
        out: PathBuf,
        /// The kind of its outputs.
        found: Kind,
        /// The kind of the run.
        kind: Kind,
    },
    /// The directory is in a service's data directory.
    #[error("'{out}' is in '{data}', the data directory of a service; give another --out")]
    InData {
        /// The directory.
        out: PathBuf,
        /// The data directory.
        data: PathBuf,
    },
    /// Another run writes to the directory.
    #[error("another run is writing to '{0}'; wait until it has ended, or give another --out")]
    InUse(PathBuf),
    /// The current directory is the directory or below it, and would be replaced.
    #[error(
        "'{0}' contains the current directory; give --out a directory in it, such as 'results'"
    )]
    CurrentDirectory(PathBuf),
    /// The directory cannot be replaced by another one.
    #[error(
        "cannot replace the empty directory '{out}': {reason}; if it is a mount point, give --out a \
         directory in it"
    )]
    Irreplaceable {
        /// The directory.
        out: PathBuf,
        /// The cause.
        reason: io::Error,
    },
    /// The staging directory has a file that no run wrote.
    #[error("'{0}' is not from an earlier run; move it, or give another --out")]
    Staging(PathBuf),
    /// The complete outputs could not be moved into place.
    #[error("{reason}; the complete outputs are in '{outputs}'; move them before the next run")]
    Kept {
        /// The directory with the outputs.
        outputs: PathBuf,
        /// The cause.
        reason: Box<OutputError>,
    },
    /// A file or directory cannot be read or written.
    #[error("cannot use '{path}': {reason}; give --out a directory whose parent can be written")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        reason: io::Error,
    },
}

impl OutputError {
    /// Converts the cause of a failure at `path`.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |reason| Self::Io { path, reason }
    }
}
