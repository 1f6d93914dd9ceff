//! Fuzz targets of dead letters.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target panics if its decoder is wrong"
)]

use std::fs;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::dead_letter::{DeadLetter, Source};
use super::spool::Spool;
use crate::ingest::object_names::failed_object_name;

/// A dead letter is a line of JSON with the event's bytes.
pub(crate) fn dead_letter(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let source = Source::Stream { shard_id: &text, sequence_number: "1" };
    let mut line = Vec::new();
    DeadLetter { source, arrival_ms: None, reason: &text, data }.write(&mut line, 5);
    assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
    let fields: Value = serde_json::from_slice(&line).unwrap();
    let raw = fields["rawData"].as_str().unwrap();
    assert_eq!(BASE64_STANDARD.decode(raw).unwrap(), data);
    assert_eq!(fields["errorMessage"], *text);
    assert_eq!(fields["source"]["shardId"], *text);
}

/// A spool opens with the complete lines of its file, whatever a crash left in it.
pub(crate) fn spool(text: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let name = failed_object_name(1, "01234567-89ab-4def-8fed-cba987654320");
    fs::write(dir.path().join(&name), text).unwrap();
    let spool = Spool::open(dir.path()).unwrap();
    let complete = memchr::memrchr(b'\n', text).map_or(0, |at| at + 1);
    assert_eq!(spool.bytes(), complete as u64);
    assert_eq!(spool.closed().unwrap().len(), usize::from(complete > 0));
    if complete > 0 {
        assert_eq!(fs::read(spool.path(&name)).unwrap(), text.split_at(complete).0);
    }
}
