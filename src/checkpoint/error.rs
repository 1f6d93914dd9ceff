//! Why a checkpoint cannot be used, and what to do then.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::meta::FORMAT;

/// A checkpoint that cannot be used.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// It is no checkpoint, or not any more.
    #[error(
        "the checkpoint '{path}' is damaged: {reason}; start with --rebuild to replay the archive"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It was made under other rules.
    #[error(
        "the checkpoint '{path}' was made under other rules: {differences}; start without --rules to go on \
         under its own, or with --rebuild to go over to these"
    )]
    Rules {
        /// The file.
        path: PathBuf,
        /// Each rule that differs, with both values.
        differences: String,
    },
    /// It was made by a version that keeps checkpoints in another way.
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
    /// Another process has it open.
    #[error("the checkpoint '{0}' is in use by another process; stop that one first")]
    InUse(PathBuf),
    /// It could not be read or written.
    #[error("cannot use the checkpoint '{path}': {reason}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What befell it.
        reason: io::Error,
    },
}

/// What went wrong, the file not yet named.
#[derive(Debug)]
pub(super) enum Fault {
    Store(Box<redb::Error>),
    Damage(String),
    Rules(String),
    Format(String),
}

impl Fault {
    /// Names the file.
    pub(super) fn at(self, path: &Path) -> CheckpointError {
        let path = path.to_owned();
        match self {
            Self::Damage(reason) => CheckpointError::Damaged { path, reason },
            Self::Rules(differences) => CheckpointError::Rules { path, differences },
            Self::Format(found) => CheckpointError::Format { path, found },
            Self::Store(error) => match *error {
                redb::Error::DatabaseAlreadyOpen => CheckpointError::InUse(path),
                // So redb tells of files that are none of its own, or shorter than they say.
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
