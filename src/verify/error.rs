//! The error of verification.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why results cannot be compared.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// The file or directory cannot be read.
    #[error("cannot read '{0}': {1}; name two directories that replay or batch wrote as --out")]
    Read(PathBuf, io::Error),
    /// The file is not a valid result file.
    #[error("'{0}' is not a valid result file: {1}; recreate its directory with replay or batch")]
    Parse(PathBuf, String),
    /// The report cannot be written.
    #[error("cannot print the comparison")]
    Print(#[from] io::Error),
}

impl VerifyError {
    /// The error of a file whose content is invalid.
    pub(super) fn parse(path: &Path, reason: impl ToString) -> Self {
        let numbers = [
            ("expected f64", "expected a number"),
            ("expected u16", "expected an integer from 0 to 65535"),
            ("expected u32", "expected an integer from 0 to 4294967295"),
            ("expected u64", "expected an integer from 0"),
        ];
        // serde's messages name Rust types, which users do not know.
        let plain = |text: String, (ours, plain): (&str, &str)| text.replace(ours, plain);
        Self::Parse(path.to_owned(), numbers.into_iter().fold(reason.to_string(), plain))
    }
}
