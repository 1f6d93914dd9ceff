//! Fuzz target of the manifests of output directories.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target panics if its decoder is wrong"
)]

use std::fs;

use super::manifest::{MANIFEST, Manifest};

/// The files of an output directory, and a file next to it.
const FILES: [&str; 4] = ["out/results.jsonl", "out/history/class-1.gz", "out/\u{e9}", "notes"];

/// Only files that a manifest lists are removed, and none outside its directory.
pub(crate) fn output_manifest(text: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    fs::create_dir_all(out.join("history")).unwrap();
    FILES.iter().for_each(|file| fs::write(dir.path().join(file), file).unwrap());
    fs::write(out.join(MANIFEST), text).unwrap();
    let Some(manifest) = Manifest::read(&out).unwrap() else { return };
    let is_removed = manifest.remove(&out).is_ok();
    for file in FILES {
        let is_listed =
            file.strip_prefix("out/").is_some_and(|name| manifest.outputs.contains(name));
        assert_eq!(dir.path().join(file).exists(), !is_listed, "{file}");
    }
    assert_eq!(out.exists(), !is_removed);
}
