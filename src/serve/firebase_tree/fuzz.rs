//! Fuzz target of paths into the tree.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target panics if its decoder is wrong"
)]

use std::fmt::Write;

use percent_encoding::percent_decode_str;

use super::path::TreePath;
use crate::serve::permissions::Permissions;

/// A path is the same path if all bytes of its keys are escaped, and with empty keys.
pub(crate) fn tree_path(raw: &[u8]) {
    let Ok(raw) = str::from_utf8(raw) else { return };
    let Ok(path) = TreePath::parse(raw) else { return };
    let mut escaped = String::new();
    for key in raw.strip_suffix(".json").unwrap().split('/') {
        escaped.push_str("//");
        percent_decode_str(key).for_each(|byte| write!(escaped, "%{byte:02x}").unwrap());
    }
    assert_eq!(TreePath::parse(&(escaped + ".json")), Ok(path.clone()));
    assert!(path.authorize(&Permissions::default()).is_ok());
}
