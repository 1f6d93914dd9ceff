//! Why a backup cannot be made.

use std::io;

use thiserror::Error;

use crate::backup_manifest::ManifestError;
use crate::check::CheckError;
use crate::log::LogError;
use crate::service::DataDirectoryError;
use crate::store::{OpenError, StoreError};

/// A backup that cannot be made.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The source is not a data directory.
    #[error("'{0}' is not the data directory of a service; give the directory of --data")]
    NoData(String),
    /// The source is an incomplete backup.
    #[error("'{0}' is an incomplete backup; make a backup of the service's own data directory")]
    IncompleteSource(String),
    /// The destination has files, but no manifest.
    #[error("'{0}' has files and is not a backup; give --to a directory that is absent or empty")]
    NoBackup(String),
    /// The destination is a backup of another service.
    #[error(
        "'{to}' is not a backup of this service: '{newest}' is neither in the log nor in the archive; give \
         --to another directory"
    )]
    OtherService {
        /// The destination.
        to: String,
        /// The newest segment of the backup.
        newest: String,
    },
    /// The destination is in a directory that is copied.
    #[error(
        "'{to}' is in '{source_directory}', which is copied; give --to a directory outside of it"
    )]
    Inside {
        /// The destination.
        to: String,
        /// The directory that is copied.
        source_directory: String,
    },
    /// The destination cannot be locked.
    #[error(transparent)]
    Directory(#[from] DataDirectoryError),
    /// A store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The copy cannot be checked.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// The report cannot be printed.
    #[error("cannot print the report")]
    Print(#[from] io::Error),
}
