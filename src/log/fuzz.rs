//! Fuzz targets of the log: its lines, segments and archive.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target panics if its decoder is wrong"
)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use indicatif::ProgressBar;
use velodrome_dataflows::name_time;

use super::archive::ArchivedSegment;
use super::check::{CheckedLog, LogCheck};
use super::clock::{Clock, MS_MAX, MS_MIN};
use super::error::LogError;
use super::log_lines::LogLines;
use super::log_text::log_text;
use super::scan::CompleteLines;
use super::segment;
use crate::ingest::decode::decode;
use crate::ingest::event::{Event, EventTimestamp};
use crate::ingest::fuzz::RACE_SECONDS;
use crate::ingest::object_names::{failed_object_key, format_time, segment_key};
use crate::store::{Directory, Object};

/// Between the checksums and the text of a segment in an input.
const SEPARATOR: &[u8] = b"\xff";

/// An event whose text the log accepts is read from the log as the same event, with its arrival.
pub(crate) fn log_line(line: &[u8]) {
    let Ok(mut event) = decode(line, RACE_SECONDS) else { return };
    let Ok(text) = log_text(line) else { return };
    let mut lines = LogLines::new();
    lines.push_arrived(&text, MS_MIN + 7);
    lines.stamp_recorded();
    let found: Vec<_> = CompleteLines::new(lines.text()).map(Result::unwrap).collect();
    let arrivals: Vec<_> = found.iter().map(|line| (line.end, line.arrival_ms)).collect();
    assert_eq!(arrivals, [(lines.bytes() as u64, MS_MIN + 7)]);
    match &mut event {
        Event::Race(race) => {
            race.timestamp = EventTimestamp::Arrival(MS_MIN + 7);
            race.event.device_ms = name_time(race.event.device_ms, MS_MIN + 7);
        }
        Event::Tracking(tracking) => tracking.timestamp = EventTimestamp::Arrival(MS_MIN + 7),
    }
    assert_eq!(decode(lines.text().trim_ascii_end(), RACE_SECONDS), Ok(event));
}

/// A log with one segment, whose checksums and text the input gives, opens, or its error names the damage.
/// What was opened opens again with the same end. Damage that is accepted is no damage afterwards.
pub(crate) fn segments(input: &[u8]) {
    let at = memchr::memmem::find(input, SEPARATOR);
    let (sums, text) = at.map_or((&b""[..], input), |at| {
        let (sums, text) = input.split_at(at);
        (sums, text.split_at(SEPARATOR.len()).1)
    });
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    fs::create_dir(&log).unwrap();
    fs::write(segment::path(&log, 7), text).unwrap();
    fs::write(log.join(format!(".{:020}.sums", 7)), sums).unwrap();
    let open = |accept_damage| {
        let archive = Arc::new(Directory::new(dir.path().join("archive")));
        super::open(dir.path(), archive, Clock::manual(MS_MIN).0, accept_damage)
    };
    let found = check(dir.path()).findings;
    let opened = match open(false) {
        Err(LogError::Damaged { from, to, .. }) => {
            assert!(from <= to);
            assert!(!found.is_empty(), "the check must report it");
            open(true).expect("its damage is accepted")
        }
        opened => opened.expect("only damage is an error"),
    };
    let last = CompleteLines::new(text).map(Result::unwrap).last();
    assert_eq!(opened.last_arrival(), last.map(|line| line.arrival_ms));
    let again = open(false).expect("it was repaired");
    assert_eq!(again.last_arrival(), opened.last_arrival());
    if last.is_some() {
        let kept = fs::read(segment::path(&log, 7)).unwrap();
        let end = CompleteLines::new(&kept[..]).map(Result::unwrap).last().unwrap().end;
        assert_eq!(end, kept.len() as u64);
        assert_eq!(complete_lines(&kept), complete_lines(text));
    }
}

/// The complete lines of a segment, one after the other.
fn complete_lines(text: &[u8]) -> Vec<u8> {
    let (mut lines, mut all) = (CompleteLines::new(text), Vec::new());
    while lines.next().transpose().unwrap().is_some() {
        all.extend_from_slice(lines.text());
    }
    all
}

/// What the check of a data directory's log finds.
fn check(dir: &Path) -> CheckedLog {
    let (data, archive) = (Directory::new(dir.to_owned()), Directory::new(dir.join("archive")));
    let check = LogCheck { data: Some(&data), archive: &archive, covered: None };
    check.run(|_| true, &ProgressBar::hidden()).unwrap()
}

/// A log whose archive has one object opens after its last event, or the check reports the object too. The
/// first byte is whether the rest is the object, or its lines.
pub(crate) fn archive_object(input: &[u8]) {
    let [is_object, rest @ ..] = input else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive").join(segment_key(MS_MIN, 7));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(rest).unwrap();
    let lines = out.finish().unwrap();
    fs::write(&path, if is_object & 1 == 1 { rest } else { &lines }).unwrap();
    let checked = check(dir.path());
    assert_eq!((checked.objects, checked.unread.len()), (1, 0));
    let archive = Arc::new(Directory::new(dir.path().join("archive")));
    match super::open(dir.path(), archive, Clock::manual(MS_MIN).0, false) {
        Ok(opened) => assert!(opened.last_arrival().is_some()),
        Err(error) => assert!(!checked.findings.is_empty(), "{error}"),
    }
}

/// The name of a sealed segment is the only name that parses to its sequence and time.
pub(crate) fn archive_name(name: &[u8]) {
    let Ok(name) = str::from_utf8(name) else { return };
    if let Some(key) = failed_object_key(name) {
        assert!(key.ends_with(name) && !key.contains(".."));
    }
    let object = Object { key: name.to_owned(), bytes: 1, etag: None };
    if let Some(ArchivedSegment { sequence, time, .. }) = ArchivedSegment::parse(object) {
        let file = name.rsplit('/').next().unwrap_or_default();
        assert!(segment_key(MS_MAX, sequence).ends_with(file.rsplit_once(&time).unwrap().1));
        assert!(sequence < u64::MAX);
        assert_eq!(time.len(), format_time(MS_MIN).len());
    }
}
