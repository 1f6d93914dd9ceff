//! The version of the checkpoint format.

/// The format that this version writes and reads. Increase it whenever the saved data or its encoding
/// changes.
pub(super) const FORMAT: &str = "4";
