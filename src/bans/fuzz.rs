//! Fuzz target of the ban list.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target panics if its decoder is wrong"
)]

use std::fs;

use super::ban_list::BanList;
use super::error::BansError;

/// A ban list that is read is written as the same list.
pub(crate) fn ban_list(text: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("bans.json"), text).unwrap();
    match BanList::read(dir.path()) {
        Ok(list) => {
            list.write(dir.path()).unwrap();
            assert_eq!(BanList::read(dir.path()).unwrap().racers, list.racers);
        }
        Err(error) => assert!(matches!(error, BansError::Damaged { .. }), "{error}"),
    }
}
