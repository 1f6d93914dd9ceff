//! Damaged and missing parts of the log are found.

use proptest::prelude::*;

use super::*;

/// A data directory whose log has three segments, two of them archived, each of several groups.
pub(super) fn data() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for start in 0..3 {
        // A segment that is closed with the log is archived after the next start.
        let (log, _delivered) = start_log(root.path());
        (0..5).for_each(|number| _ = append(&log, start * 5 + number).unwrap());
        let archived = archive_in(root.path());
        let count = || archived.walk("").unwrap().len() as u64;
        while count() < start {
            std::thread::yield_now();
        }
        log.close();
    }
    root
}

fn start_log(dir: &Path) -> (Log<u64>, Receiver<Delivery<u64>>) {
    start(dir, Clock::manual(START_MS).0)
}

/// Opens the log as a service does that has a checkpoint which covers it up to `covered`.
fn open_covered(
    dir: &Path,
    covered: Option<LogPosition>,
    accept_damage: bool,
) -> Result<usize, LogError> {
    let opened = super::super::open(dir, archive_in(dir), Clock::system(), accept_damage)?;
    Ok(opened.files().inputs_from(0, covered)?.len())
}

fn objects(dir: &Path) -> Vec<PathBuf> {
    files(&dir.join("archive"))
}

fn newest(dir: &Path) -> PathBuf {
    segment::path(&dir.join("log"), 3)
}

#[test]
fn an_undamaged_log_is_complete_and_its_checksums_go_with_their_segments() {
    let root = data();
    let names = |dir: &Path| {
        let files = all_files(&dir.join("log")).into_iter();
        files.map(|path| path.file_name().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let expected = [".00000000000000000003.sums", "00000000000000000003.jsonl"];
    assert_eq!(names(root.path()), expected);
    let bytes = fs::metadata(newest(root.path())).unwrap().len();
    let end = LogPosition { sequence: 3, bytes };
    for covered in [None, Some(end), Some(LogPosition { sequence: 1, bytes: 1 })] {
        assert_eq!(open_covered(root.path(), covered, false).unwrap(), 3);
    }
    // Checksums whose segment is gone, as after a crash, are removed, and no other files.
    let foreign = ".+2.sums";
    for name in [".00000000000000000002.sums", foreign] {
        fs::write(root.path().join("log").join(name), "").unwrap();
    }
    assert_eq!(open_covered(root.path(), None, false).unwrap(), 3);
    assert_eq!(names(root.path()), [foreign, expected[0], expected[1]]);
}

#[test]
fn missing_segments_and_objects_are_named() {
    let removed: [(&[usize], &str); 3] = [
        (&[1], "lacks the segments 2 to 2"),
        (&[0, 1], "lacks the segments 1 to 2"),
        (&[0], "lacks the segments 1 to 1"),
    ];
    let covered = Some(LogPosition { sequence: 1, bytes: 0 });
    for (removed, expected) in removed {
        let root = data();
        let objects = objects(root.path());
        removed.iter().for_each(|index| fs::remove_file(&objects[*index]).unwrap());
        let error = open_covered(root.path(), covered, false).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("--accept-damage"), "{error}");
        assert_eq!(open_covered(root.path(), covered, true).unwrap(), 3 - removed.len());
    }
    // The newest segment, which only the checkpoint knows.
    let root = data();
    let bytes = fs::metadata(newest(root.path())).unwrap().len();
    let covered = Some(LogPosition { sequence: 3, bytes });
    let text = fs::read(newest(root.path())).unwrap();
    fs::write(newest(root.path()), &text[..text.len() / 2]).unwrap();
    let error = open_covered(root.path(), covered, false).unwrap_err().to_string();
    assert!(error.contains("is damaged between its bytes"), "{error}");
    fs::remove_file(root.path().join("log/.00000000000000000003.sums")).unwrap();
    let error = open_covered(root.path(), covered, false).unwrap_err().to_string();
    assert!(error.contains(&format!("but the checkpoint covers {bytes}")), "{error}");
    fs::remove_file(newest(root.path())).unwrap();
    let error = open_covered(root.path(), covered, false).unwrap_err().to_string();
    assert!(error.contains("lacks the segments 3 to 3"), "{error}");
}

#[test]
fn segments_and_checksums_that_cannot_be_read_are_not_treated_as_absent() {
    let root = data();
    let sums = root.path().join("log/.00000000000000000003.sums");
    fs::remove_file(&sums).unwrap();
    fs::create_dir(&sums).unwrap();
    let error = open_covered(root.path(), None, true).unwrap_err().to_string();
    assert!(error.contains("cannot read '") && error.contains("3.jsonl'"), "{error}");
    fs::remove_dir_all(root.path().join("log")).unwrap();
    fs::write(root.path().join("log"), "").unwrap();
    let error = open_covered(root.path(), None, true).unwrap_err().to_string();
    assert!(error.contains("cannot list '"), "{error}");
}

#[test]
fn a_segment_that_is_damaged_after_the_start_is_not_sealed() {
    let root = data();
    let path = newest(root.path());
    let mut text = fs::read(&path).unwrap();
    text[11] ^= 1;
    fs::write(&path, text).unwrap();
    let error = archive::seal(&path, 3, &*archive_in(root.path())).unwrap_err().to_string();
    assert!(error.contains("is damaged between its bytes 0 and "), "{error}");
    assert!(path.exists() && objects(root.path()).len() == 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_changed_bit_of_a_closed_segment_is_found(
        index in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let root = data();
        let path = newest(root.path());
        let mut text = fs::read(&path).unwrap();
        let index = index.index(text.len());
        text[index] ^= 1 << bit;
        fs::write(&path, &text).unwrap();
        let error = open_covered(root.path(), None, false).unwrap_err();
        let LogError::Damaged { from, to, .. } = &error else { panic!("{error}") };
        prop_assert!((*from..*to).contains(&(index as u64)), "{error}");
        // The lines that can be read count, and the next start accepts the state.
        prop_assert_eq!(open_covered(root.path(), None, true).unwrap(), 3);
        prop_assert_eq!(open_covered(root.path(), None, false).unwrap(), 3);
    }

    #[test]
    fn after_a_crash_only_the_last_group_may_be_torn(
        cut in any::<prop::sample::Index>(),
    ) {
        let root = data();
        let (path, sums) = (newest(root.path()), root.path().join("log/.00000000000000000003.sums"));
        // Without the record of the close, the segment is that of a crashed service.
        let records = fs::read_to_string(&sums).unwrap();
        let groups: Vec<_> = records.split_inclusive('\n').take(5).collect();
        fs::write(&sums, groups.concat()).unwrap();
        let text = fs::read(&path).unwrap();
        let cut = cut.index(text.len());
        fs::write(&path, &text[..cut]).unwrap();
        let last: usize = text.split_inclusive(|byte| *byte == b'\n').take(4).map(<[u8]>::len).sum();
        let opened = open_covered(root.path(), None, false);
        prop_assert_eq!(opened.is_ok(), cut >= last, "{} {}: {:?}", cut, last, opened);
    }
}
