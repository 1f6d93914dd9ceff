//! Fuzz target of the keys in a listing.

#![allow(clippy::expect_used, clippy::panic, reason = "a target panics if its decoder is wrong")]

use super::listing::decode;

/// An encoded key is decoded to the key.
pub(crate) fn listed_key(key: &[u8]) {
    let Ok(key) = str::from_utf8(key) else { return };
    let encoded: String = form_urlencoded::byte_serialize(key.as_bytes()).collect();
    assert_eq!(decode(&encoded, true).as_deref(), Ok(key));
    assert_eq!(decode(key, false).as_deref(), Ok(key));
    _ = decode(key, true);
}
