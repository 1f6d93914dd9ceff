//! The size of a written workload.

/// The size of a written workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteStats {
    /// The number of lines.
    pub lines: u64,
    /// The bytes of JSON, with newlines.
    pub json_bytes: u64,
    /// The bytes as stored: fewer than `json_bytes` if they are compressed.
    pub stored_bytes: u64,
}

impl WriteStats {
    /// The sum of the two sizes.
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            lines: self.lines + other.lines,
            json_bytes: self.json_bytes + other.json_bytes,
            stored_bytes: self.stored_bytes + other.stored_bytes,
        }
    }
}
