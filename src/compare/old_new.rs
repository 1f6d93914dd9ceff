//! A value under both sets of rules.

use serde::{Deserialize, Serialize};

/// A value under the old rules and under the new rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldNew<T> {
    /// Under the old rules.
    pub old: T,
    /// Under the new rules.
    pub new: T,
}

impl<T> From<[T; 2]> for OldNew<T> {
    fn from([old, new]: [T; 2]) -> Self {
        Self { old, new }
    }
}
