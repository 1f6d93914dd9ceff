//! Why a checkpoint cannot be used, and the remedy.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::format::FORMAT;
use crate::io_reason::IoReason;

/// A checkpoint that cannot be used.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file is not a checkpoint, or is damaged.
    #[error(
        "the checkpoint '{path}' is damaged: {reason}; start with --rebuild to replay the archive"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The damage.
        reason: String,
    },
    /// The checkpoint was made under different rules.
    #[error(
        "the checkpoint '{path}' was made under different rules: {differences}; start without --rules to \
         continue under its own, or with --rebuild to switch to these"
    )]
    Rules {
        /// The file.
        path: PathBuf,
        /// Each rule that differs, with both values.
        differences: String,
    },
    /// The checkpoint was made by a version with another format.
    #[error(
        "the checkpoint '{path}' has the format {found}, and this version reads the format \
         {FORMAT}; start the version that made it, or with --rebuild to replay the archive"
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: String,
    },
    /// Another process has opened the checkpoint.
    #[error("the checkpoint '{0}' is in use by another process; stop that process first")]
    InUse(PathBuf),
    /// The file cannot be read or written.
    #[error("cannot use the checkpoint '{path}': {}", IoReason(.reason))]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: io::Error,
    },
}

/// An error of the store before the path of the file is added.
#[derive(Debug)]
pub(super) enum Fault {
    Store(Box<redb::Error>),
    Damage(String),
    Rules(String),
    Format(String),
}

impl Fault {
    /// Adds the path of the file.
    pub(super) fn at(self, path: &Path) -> CheckpointError {
        let path = path.to_owned();
        match self {
            Self::Damage(reason) => CheckpointError::Damaged { path, reason },
            Self::Rules(differences) => CheckpointError::Rules { path, differences },
            Self::Format(found) => CheckpointError::Format { path, found },
            Self::Store(error) => match *error {
                redb::Error::DatabaseAlreadyOpen => CheckpointError::InUse(path),
                // redb uses these two error kinds for files in another format, or shorter than their
                // header says. That is damage, not a failed read.
                redb::Error::Io(reason)
                    if !matches!(
                        reason.kind(),
                        ErrorKind::InvalidData | ErrorKind::UnexpectedEof
                    ) =>
                {
                    CheckpointError::Io { path, reason }
                }
                error => CheckpointError::Damaged { path, reason: error.to_string() },
            },
        }
    }
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Store(Box::new(error.into()))
    }
}
