//! Why a check cannot run.

use std::io;

use thiserror::Error;

use crate::backup_manifest::ManifestError;
use crate::store::{LocationError, OpenError, StoreError};

/// A check that cannot run.
#[derive(Debug, Error)]
pub enum CheckError {
    /// The location has nothing that can be checked.
    #[error(
        "'{0}' is neither the data directory of a service nor an archive; give the directory of --data, or \
         the location of --archive"
    )]
    Nothing(String),
    /// The archive has folders of nodes.
    #[error("'{0}' has the archives of a cluster; give that of one node, such as its folder '{1}'")]
    OfCluster(String, String),
    /// A store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A store cannot be listed or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The manifest of a backup cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The location of the archive in a manifest is invalid.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// The report cannot be printed.
    #[error("cannot print the report")]
    Print(#[from] io::Error),
}
