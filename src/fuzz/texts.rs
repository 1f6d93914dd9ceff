//! Targets of small public parsers of texts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target panics if its decoder is wrong"
)]

use std::fs;

use velodrome_dataflows::RACE_SECONDS_MAX;

use crate::auth::{Claims, Keyring, Scope};
use crate::backup_manifest::{BackupManifest, MANIFEST, ManifestError};
use crate::store::Directory;
use crate::time::{format_ms, parse_ms};
use crate::{json_checksum, rules};

/// The key of a token is one of the keys that were parsed.
pub(super) fn keys(pem: &[u8]) {
    let Ok(keyring) = Keyring::from_pem(pem, "the text") else { return };
    let claims = Claims::new([Scope::Read].into_iter().collect(), 1, 9);
    if let Ok(token) = keyring.issue(&claims) {
        assert_eq!(keyring.verify(&token, 2), Ok(claims));
    }
}

/// Rules that are read, in TOML or JSON, are in their ranges, and are read from their canonical form, with
/// and without checksum, as the same rules.
pub(super) fn rules(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    match rules::parse(text) {
        Ok(rules) => {
            assert!((1..=RACE_SECONDS_MAX).contains(&rules.race_seconds));
            let canonical = rules::canonical(&rules);
            for text in [&canonical, &json_checksum::add(&canonical)] {
                let again = rules::parse(text).expect("canonical rules are rules");
                assert_eq!(rules::id(&again), rules::id(&rules));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A time that is written in whole seconds is read as the same time.
pub(super) fn time(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    let Ok(ms) = parse_ms(text) else { return };
    let written = format_ms(ms);
    if written.ends_with('Z') {
        assert_eq!(parse_ms(&written), Ok(ms / 1_000 * 1_000), "{text}");
    }
}

/// The manifest of a backup that is read is written as the same manifest.
pub(super) fn backup_manifest(text: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(MANIFEST), text).unwrap();
    let store = Directory::new(dir.path().to_owned());
    match BackupManifest::read(&store) {
        Ok(read) => {
            let read = read.expect("the file exists");
            read.write(&store).unwrap();
            assert_eq!(BackupManifest::read(&store).unwrap(), Some(read));
        }
        Err(error) => assert!(matches!(error, ManifestError::Damaged(_)), "{error}"),
    }
}
