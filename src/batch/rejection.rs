//! Reasons to reject a line.

use thiserror::Error;

/// Maximum nesting of objects and arrays, including those in ignored fields.
pub(super) const NESTING_MAX: usize = 128;

/// Why a line is rejected.
#[derive(Debug, Error)]
pub(super) enum Rejection {
    #[error("the line is longer than 1 MiB; send one event a line")]
    Oversized,
    #[error("the line is no UTF-8: {0}")]
    Utf8(#[from] std::str::Utf8Error),
    #[error("the line nests deeper than {NESTING_MAX} levels")]
    Nesting,
    #[error("the line is no JSON object")]
    NoObject,
    #[error("the line is no event: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{field} is missing; it must be {expected}")]
    Missing { field: &'static str, expected: String },
    #[error("{field} is {value}; it must be {expected}")]
    Field { field: &'static str, value: String, expected: String },
}
