//! The keys of the tree, and their order.
//!
//! Firebase forbids some characters in keys, and separates keys in paths by a slash. A project id may contain any
//! character, so its key has escapes: the key of the project `a/b` is `a%2Fb` in data and in the paths of events.

use std::borrow::Cow;
use std::fmt::Write;

use compact_str::CompactString;
use percent_encoding::percent_decode_str;

/// The only key of the root.
pub(super) const PROJECT: &str = "project";
/// The keys of a project.
pub(super) const VIEWS: &str = "views";
pub(super) const DURATION: &str = "durationMs";

/// Sorts keys as Firebase does: 32-bit integers first, by number, then all other keys as text
/// (Firebase, "How data is ordered").
pub(super) fn sort_key(key: &str) -> (bool, i32, CompactString) {
    let number = key.parse().ok().filter(|number: &i32| number.to_string() == key);
    (number.is_none(), number.unwrap_or_default(), key.into())
}

/// The key of a project. Characters that Firebase forbids in keys, and percent signs, are escaped
/// (Firebase, "Structure your database").
pub(super) fn project_key(id: &str) -> Cow<'_, str> {
    let is_escaped =
        |character: char| character.is_ascii_control() || ".$#[]/%".contains(character);
    if !id.contains(is_escaped) {
        return id.into();
    }
    let mut key = String::with_capacity(id.len() + 8);
    for character in id.chars() {
        match is_escaped(character) {
            // Writing to a string never fails.
            true => _ = write!(key, "%{:02X}", u32::from(character)),
            false => key.push(character),
        }
    }
    key.into()
}

/// The id of the project with this key. A key in a request may lack escapes, because many clients escape a key only
/// once, for the URL.
pub(super) fn project_id(key: &str) -> CompactString {
    percent_decode_str(key).decode_utf8().map_or_else(|_| key.into(), |id| (&*id).into())
}
