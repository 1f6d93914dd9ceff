//! JSON objects of Firehose.

use serde::Deserialize;
use serde::de::Error;

/// Parses a JSON object. serde would also read a struct from an array, which these contracts do not
/// allow.
pub(super) fn from_object<'a, T: Deserialize<'a>>(text: &'a [u8]) -> serde_json::Result<T> {
    match text.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice(text),
        _ => Err(serde_json::Error::custom("it does not start with '{'")),
    }
}
