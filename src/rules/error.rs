//! Why a rules file cannot be used.

use std::path::PathBuf;

use thiserror::Error;

use crate::json_checksum::ChecksumError;

/// A rules file that cannot be used.
#[derive(Debug, Error)]
pub enum RulesError {
    /// The file cannot be read.
    #[error("cannot read the rules '{0}': {1}")]
    Read(PathBuf, std::io::Error),
    /// The text of the file is not valid rules.
    #[error("cannot use the rules '{0}': {1}")]
    Invalid(PathBuf, InvalidRules),
}

/// Why a text is not valid rules. Lines are counted from 1.
#[derive(Debug, Error)]
pub enum InvalidRules {
    /// The text has an unknown key.
    #[error("line {line}: unknown key '{key}'; did you mean '{nearest}'? Known keys are {known}")]
    Unknown {
        /// The line.
        line: usize,
        /// The key.
        key: String,
        /// The most similar known key.
        nearest: String,
        /// All keys that are valid in that place.
        known: String,
    },
    /// A value has the wrong type, or is outside the range of its type.
    #[error("line {line}: {key} is {value}; it must be {expected}")]
    Value {
        /// The line.
        line: usize,
        /// The key.
        key: String,
        /// The value, as it is written.
        value: String,
        /// The valid values.
        expected: &'static str,
    },
    /// The text is not TOML, or is incomplete.
    #[error("line {0}: {1}")]
    Syntax(usize, String),
    /// The text has a checksum and differs from it.
    #[error(transparent)]
    Checksum(#[from] ChecksumError),
    /// A value is outside the range of its rule.
    #[error("{rule} is {value}; it must be {expected}")]
    Range {
        /// The key.
        rule: String,
        /// Its value.
        value: f64,
        /// The valid values.
        expected: &'static str,
    },
}
