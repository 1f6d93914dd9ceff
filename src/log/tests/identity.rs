//! Two copies of a log recognise each other by a segment.

use super::integrity::data;
use super::*;
use crate::ingest::object_names::segment_key;

#[test]
fn the_newest_segment_identifies_a_log_before_and_after_it_is_archived() {
    let root = data();
    let (data, archive) = (Directory::new(root.path().to_owned()), archive_in(root.path()));
    let newest = || SegmentId::newest(&data, &*archive).unwrap();
    let id = newest().unwrap();
    assert_eq!(id.key, segment_key(START_MS, 3));
    assert!(id.is_in(&data, &*archive).unwrap());
    // A segment of another log can have the same key.
    let path = segment::path(&root.path().join("log"), 3);
    let text = fs::read(&path).unwrap();
    fs::write(&path, segment_text(lines([99]), START_MS)).unwrap();
    assert!(!id.is_in(&data, &*archive).unwrap());
    assert!(newest().is_some_and(|other| other != id && other.key == id.key));
    fs::write(&path, text).unwrap();
    archive::seal(&path, 3, &*archive).unwrap();
    assert_eq!(newest(), Some(id.clone()));
    assert!(id.is_in(&data, &*archive).unwrap());
    fs::remove_dir_all(root.path().join("archive")).unwrap();
    assert_eq!(newest(), None);
    assert!(!id.is_in(&data, &*archive).unwrap());
}
