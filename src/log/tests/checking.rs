//! A check does not report what a service is just writing.

use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::ProgressBar;

use super::integrity::data;
use super::*;
use crate::ingest::object_names::segment_key;
use crate::log::{CheckedLog, LogCheck};
use crate::store::{Directory, Hooked};

fn check(data: &dyn Store, archive: &dyn Store, covered: Option<LogPosition>) -> CheckedLog {
    let check = LogCheck { data: Some(data), archive, covered };
    check.run(|_| true, &ProgressBar::hidden()).unwrap()
}

fn findings(checked: &CheckedLog) -> Vec<String> {
    checked.findings.iter().map(LogError::to_string).collect()
}

#[test]
fn a_segment_that_is_archived_during_a_listing_is_not_missing() {
    let root = data();
    let object = files(&root.path().join("archive"))[1].clone();
    let hidden = object.with_extension("hidden");
    let listings = AtomicUsize::new(0);
    let archive = Hooked::new(Directory::new(root.path().join("archive")), |_| {
        match listings.fetch_add(1, Ordering::Relaxed) {
            0 => fs::rename(&object, &hidden).unwrap(),
            1 => fs::rename(&hidden, &object).unwrap(),
            _ => (),
        }
    });
    let data = Directory::new(root.path().to_owned());
    assert_eq!(findings(&check(&data, &archive, None)), Vec::<String>::new());
    assert_eq!(listings.into_inner(), 2);
}

#[test]
fn the_end_of_the_newest_segment_may_be_incomplete_until_it_is_closed() {
    let root = data();
    let (data, archive) = (Directory::new(root.path().to_owned()), archive_in(root.path()));
    let segment = segment::path(&root.path().join("log"), 3);
    let end = |bytes| Some(LogPosition { sequence: 3, bytes });
    let bytes = fs::metadata(&segment).unwrap().len();
    let checked = check(&data, &*archive, end(bytes));
    assert_eq!((checked.segments, checked.segment_events, findings(&checked)), (1, 5, Vec::new()));
    assert_eq!(checked.without_checksums, 0);
    assert_eq!((checked.objects_read, checked.object_events), (2, 10));

    let mut text = fs::read(&segment).unwrap();
    text.extend_from_slice(b"{\"number\":");
    fs::write(&segment, &text).unwrap();
    assert!(findings(&check(&data, &*archive, None))[0].contains("has 1 damaged lines"));
    // Without the record of the close, a service may be writing the line.
    let sums = root.path().join("log/.00000000000000000003.sums");
    let records = fs::read_to_string(&sums).unwrap();
    fs::write(&sums, records.split_inclusive('\n').take(5).collect::<String>()).unwrap();
    assert_eq!(findings(&check(&data, &*archive, None)), Vec::<String>::new());
    text.extend_from_slice(b"\n");
    text.extend_from_slice(&fs::read(&segment).unwrap()[..bytes as usize]);
    fs::write(&segment, &text).unwrap();
    // A loss of power can keep later pages of the write.
    assert_eq!(findings(&check(&data, &*archive, None)), Vec::<String>::new());
    fs::remove_file(&sums).unwrap();
    assert!(findings(&check(&data, &*archive, None))[0].contains("has 1 damaged lines"));
    let covered = check(&data, &*archive, end(10_000));
    assert!(findings(&covered)[0].contains("has 1 damaged lines"));
    fs::write(&segment, &text[..bytes as usize]).unwrap();
    let covered = check(&data, &*archive, end(10_000));
    assert_eq!(covered.without_checksums, 1);
    fs::write(&sums, "").unwrap();
    assert_eq!(check(&data, &*archive, None).without_checksums, 1, "no record");
    fs::write(&segment, "").unwrap();
    assert_eq!(check(&data, &*archive, None).without_checksums, 0, "no line");
    assert!(findings(&covered)[0].contains("but the checkpoint covers 10000"));
}

#[test]
fn an_archive_without_objects_is_distinguished_from_missing_segments() {
    let root = data();
    let check_data = || {
        let data = Directory::new(root.path().to_owned());
        let covered = Some(LogPosition { sequence: 5, bytes: 0 });
        findings(&check(&data, &*archive_in(root.path()), covered))
    };
    let objects = files(&root.path().join("archive"));
    fs::remove_file(&objects[1]).unwrap();
    let found = check_data();
    assert!(found.len() == 2 && found[0].contains("lacks the segments 2 to 2"), "{found:?}");
    fs::remove_file(&objects[0]).unwrap();
    let found = check_data();
    assert!(found.len() == 2 && found[1].contains("lacks the segments 4 to 5"), "{found:?}");
    assert!(found[0].contains("should have the segments up to 2"), "{found:?}");
}

#[test]
fn two_objects_with_one_sequence_are_of_two_logs() {
    let root = data();
    let objects = files(&root.path().join("archive"));
    let other = objects[0]
        .parent()
        .unwrap()
        .join(segment_key(START_MS + 60_000, 1).rsplit('/').next().unwrap());
    fs::copy(&objects[0], other).unwrap();
    let data = Directory::new(root.path().to_owned());
    let found = findings(&check(&data, &*archive_in(root.path()), None));
    assert!(found.len() == 1 && found[0].contains("have the same sequence"), "{found:?}");
}
