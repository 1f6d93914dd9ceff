//! The keys of the tree, and their order.

use compact_str::CompactString;

/// The only key of the root.
pub(super) const PROJECT: &str = "project";
/// The keys of a project.
pub(super) const VIEWS: &str = "views";
pub(super) const DURATION: &str = "durationMs";

/// Sorts keys as Firebase does: 32-bit integers first, by number, then all other keys as text
/// (Firebase, "How data is ordered").
pub(super) fn sort_key(key: &CompactString) -> (bool, i32, CompactString) {
    let number = key.parse().ok().filter(|number: &i32| number.to_string() == *key);
    (number.is_none(), number.unwrap_or_default(), key.clone())
}
