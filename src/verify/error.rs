//! The error of verification.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why results cannot be compared.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// The file or directory cannot be read.
    #[error("cannot read '{0}': {1}; name two directories that replay or batch wrote as --out")]
    Read(PathBuf, io::Error),
    /// The file is not a valid result file.
    #[error("cannot understand '{0}': {1}; write its directory again with replay or batch")]
    Parse(PathBuf, String),
    /// The report cannot be written.
    #[error("cannot print the comparison")]
    Print(#[from] io::Error),
}
