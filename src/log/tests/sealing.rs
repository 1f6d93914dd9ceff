//! Each segment becomes one object, even when sealing is interrupted.

use std::os::unix::fs::symlink;

use indicatif::ProgressBar;

use super::*;
use crate::ingest::event::{Event, EventTimestamp};
use crate::ingest::lines::LineBlock;
use crate::ingest::object_names::segment_key;
use crate::ingest::{decode, units};

/// Waits until the data directory has the given numbers of segments and objects.
fn wait_for(dir: &Path, segments: usize, objects: usize) {
    let began = std::time::Instant::now();
    let counts = || (files(&dir.join("log")).len(), files(&dir.join("archive")).len());
    while counts() != (segments, objects) {
        assert!(began.elapsed() < TIMEOUT, "{:?}", counts());
        std::thread::yield_now();
    }
}

/// A data directory with two closed segments that begin in one second.
fn two_segments() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let log = root.path().join("log");
    fs::create_dir(&log).unwrap();
    for number in 0..2 {
        let text = segment_text(lines([number]), START_MS + number);
        fs::write(segment::path(&log, number + 1), text).unwrap();
    }
    root
}

/// Starts a log, which seals all segments of the data directory. Returns the objects.
fn seal_all(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (log, _delivered) = start(dir, Clock::manual(START_MS).0);
    wait_for(dir, 0, 2);
    log.close();
    let content = |path: &PathBuf| fs::read(path).unwrap();
    let relative = |path: &PathBuf| path.strip_prefix(dir).unwrap().to_owned();
    files(&dir.join("archive")).iter().map(|path| (relative(path), content(path))).collect()
}

#[test]
fn a_segment_is_sealed_after_a_minute_even_if_the_log_is_idle() {
    let root = tempfile::tempdir().unwrap();
    let (clock, time) = Clock::manual(START_MS);
    let (log, _delivered) = start(root.path(), clock);
    append(&log, 0).unwrap();
    time.set(START_MS + 59_999);
    append(&log, 1).unwrap();
    assert_eq!(files(&root.path().join("log")).len(), 1);
    time.set(START_MS + 60_000);
    wait_for(root.path(), 0, 1);
    append(&log, 2).unwrap();
    log.close();
    let names = files(root.path());
    let name = names[0].strip_prefix(root.path()).unwrap().to_str().unwrap();
    assert_eq!(
        name,
        "archive/2021/05/05/18/velodrome-1-2021-05-05-18-40-01-00000000-0001-8000-8000-76656c6f6472.gz"
    );
    assert!(names[1].ends_with("log/00000000000000000002.jsonl"));
    let expected = [(0, START_MS), (1, START_MS + 59_999), (2, START_MS + 60_000)];
    assert_eq!(logged_events(root.path()), expected);
}

#[test]
fn a_large_segment_is_sealed() {
    let root = tempfile::tempdir().unwrap();
    let (log, _delivered) = start(root.path(), Clock::manual(START_MS).0);
    let large = || {
        let mut lines = LogLines::new();
        let event = format!("{{\"number\":1,\"a\":\"{}\"}}", "x".repeat(999_000));
        (0..33).for_each(|_| lines.push(event.as_bytes()));
        lines
    };
    log.append(large(), 0).unwrap().blocking_recv().unwrap().unwrap();
    append(&log, 2).unwrap();
    assert_eq!(files(&root.path().join("log")).len(), 1);
    log.append(large(), 3).unwrap().blocking_recv().unwrap().unwrap();
    wait_for(root.path(), 0, 1);
    append(&log, 4).unwrap();
    log.close();
    assert_eq!(logged_events(root.path()).len(), 33 + 1 + 33 + 1);
}

#[test]
fn sealing_after_a_crash_at_any_step_results_in_the_same_objects() {
    let sealed = two_segments();
    let untouched = copy(sealed.path());
    let expected = seal_all(sealed.path());
    assert!(expected.is_sorted(), "names of one second are in the order of the log");
    assert_eq!(logged_events(sealed.path()), [(0, START_MS), (1, START_MS + 1)]);

    // After a crash while the object was written under its hidden name.
    let hidden = copy(untouched.path());
    let folder = hidden.path().join(expected[0].0.parent().unwrap());
    fs::create_dir_all(&folder).unwrap();
    let name = expected[0].0.file_name().unwrap().to_str().unwrap();
    fs::write(folder.join(format!(".{name}")), &expected[0].1[..9]).unwrap();
    assert_eq!(logged_events(hidden.path()), [(0, START_MS), (1, START_MS + 1)]);
    assert_eq!(seal_all(hidden.path()), expected);

    // After a crash between storing an object and removing its segment, for one and for two objects.
    for objects in 1..=2 {
        let both = copy(untouched.path());
        fs::create_dir_all(both.path().join(expected[0].0.parent().unwrap())).unwrap();
        for (path, content) in &expected[..objects] {
            fs::write(both.path().join(path), content).unwrap();
        }
        assert_eq!(logged_events(both.path()), [(0, START_MS), (1, START_MS + 1)]);
        assert_eq!(files(&both.path().join("log")).len(), 2 - objects);
        assert_eq!(seal_all(both.path()), expected);
    }
}

#[test]
fn a_segment_that_was_copied_while_it_was_written_is_part_of_its_object() {
    let root = two_segments();
    let second = segment::path(&root.path().join("log"), 2);
    let text = [fs::read(&second).unwrap(), segment_text(lines([9]), START_MS + 9)].concat();
    let copied = copy(root.path());
    fs::write(&second, &text).unwrap();
    let expected = seal_all(root.path());
    // The copy ends in the middle of a group.
    let archive = copied.path().join("archive");
    fs::rename(root.path().join("archive"), &archive).unwrap();
    fs::write(segment::path(&copied.path().join("log"), 2), &text[..text.len() - 5]).unwrap();
    assert_eq!(open(copied.path(), Clock::system()).unwrap().last_arrival(), Some(START_MS + 1));
    let content = |path: &PathBuf| fs::read(path).unwrap();
    let found: Vec<_> = files(&archive).iter().map(content).collect();
    assert_eq!(found, expected.into_iter().map(|(_, content)| content).collect::<Vec<_>>());
    assert_eq!(files(&copied.path().join("log")).len(), 0);
}

#[test]
fn sequences_and_arrivals_continue_from_the_archive_without_segments() {
    let root = two_segments();
    seal_all(root.path());
    let opened = open(root.path(), Clock::manual(START_MS - 5).0).unwrap();
    assert_eq!(opened.last_arrival(), Some(START_MS + 1));
    let (log, _delivered) = start(root.path(), Clock::manual(START_MS - 5).0);
    assert_eq!(append(&log, 2), Ok(START_MS + 1));
    log.close();
    assert!(files(&root.path().join("log"))[0].ends_with("00000000000000000003.jsonl"));
}

#[test]
fn after_a_failed_seal_this_and_later_segments_stay_until_the_next_attempt() {
    let root = two_segments();
    let folder = root.path().join("archive/2021/05/05/18");
    fs::create_dir_all(&folder).unwrap();
    let names = [1, 2].map(|sequence| segment_key(START_MS + sequence - 1, sequence));
    let hidden = folder.join(format!(".{}", names[0].rsplit('/').next().unwrap()));
    let fill_disk = || symlink("/dev/full", &hidden).unwrap();

    fill_disk();
    let first = segment::path(&root.path().join("log"), 1);
    let error = archive::seal(&first, 1, &*archive_in(root.path())).unwrap_err().to_string();
    assert!(error.contains(&names[0]) && error.contains("No space left on device"), "{error}");
    assert_eq!(
        files(root.path()).len(),
        2,
        "the incomplete object is removed, and the segments stay"
    );

    // The first attempt of the sealer fails in the same way.
    fill_disk();
    let (log, _delivered) = start(root.path(), Clock::manual(START_MS).0);
    wait_for(root.path(), 0, 2);
    log.close();
    assert_eq!(logged_events(root.path()), [(0, START_MS), (1, START_MS + 1)]);
}

#[test]
fn an_object_of_another_service_is_reported_and_not_overwritten() {
    let root = two_segments();
    let object = root.path().join("archive").join(segment_key(START_MS, 1));
    fs::create_dir_all(object.parent().unwrap()).unwrap();
    fs::write(&object, "another's").unwrap();
    let expected = format!("'{}' exists with other content", object.display());
    let error = open(root.path(), Clock::system()).unwrap_err().to_string();
    assert!(error.contains(&expected) && error.contains("different --archive"), "{error}");

    // The same for an object that appears after the start.
    fs::remove_file(&object).unwrap();
    let opened = open(root.path(), Clock::manual(START_MS).0).unwrap();
    fs::write(&object, "another's").unwrap();
    let health = crate::health::Health::default();
    let log: Log<u64> = opened.start(health.component("archive"), AdmitAll, |_| ()).unwrap();
    let began = std::time::Instant::now();
    while health.faults().is_empty() {
        assert!(began.elapsed() < TIMEOUT);
        std::thread::yield_now();
    }
    assert!(health.faults()[0].starts_with(&format!("archive: {expected}")), "{health:?}");
    assert_eq!(files(&root.path().join("log")).len(), 2);
    fs::remove_file(&object).unwrap();
    wait_for(root.path(), 0, 2);
    while !health.faults().is_empty() {
        assert!(began.elapsed() < TIMEOUT);
        std::thread::yield_now();
    }
    log.close();
}

#[test]
fn a_replay_can_read_the_archive() {
    let root = tempfile::tempdir().unwrap();
    let (log, _delivered) = start(root.path(), Clock::manual(START_MS).0);
    let mut sent = LogLines::new();
    let event = r#"{"event":"view","uuid":"u","projectId":"p","deviceTimestamp":1620240001114}"#;
    let update = r#"{"event":"update","deviceTimestamp":1620240001114,"second":1,"raceId":54,"name":"Vito","racerId":103,"classId":1,"cadence":78.00666666666666,"resistance":57.266666666666666}"#;
    [event, update].iter().for_each(|event| sent.push(event.as_bytes()));
    log.append(sent, 0).unwrap().blocking_recv().unwrap().unwrap();
    log.close();
    let (log, _delivered) = start(root.path(), Clock::manual(START_MS).0);
    wait_for(root.path(), 0, 1);
    log.close();

    let inputs = open(root.path(), Clock::system()).unwrap().files().inputs_from(0, None).unwrap();
    let unit = units::units(&inputs)[0];
    let mut reader = units::open(&inputs[0], unit, &ProgressBar::hidden()).unwrap();
    let LineBlock::Lines(block) = reader.next_block() else { panic!("no lines") };
    let events: Vec<_> = block.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(events.len(), 2);
    for event in events {
        let timestamp = match decode::decode(event, 300).unwrap() {
            Event::Race(taken) => taken.timestamp,
            Event::Tracking(taken) => taken.timestamp,
        };
        assert_eq!(timestamp, EventTimestamp::Arrival(START_MS));
    }
}
