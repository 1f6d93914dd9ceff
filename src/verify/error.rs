//! Why two results cannot be compared.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Results that cannot be compared.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// A file or directory that cannot be read.
    #[error("cannot read '{0}': {1}; name two directories that replay or batch wrote as --out")]
    Read(PathBuf, io::Error),
    /// A file that holds no results.
    #[error("cannot understand '{0}': {1}; write its directory again with replay or batch")]
    Parse(PathBuf, String),
    /// What was found cannot be told.
    #[error("cannot print the comparison")]
    Print(#[from] io::Error),
}
