//! Torn ends are cut off, and the files from a time on are found in order.

use proptest::prelude::*;

use super::*;

/// A data directory with one segment of this text.
fn data_with_segment(text: &[u8]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("log")).unwrap();
    fs::write(segment::path(&root.path().join("log"), 1), text).unwrap();
    root
}

/// The text of a segment that contains the events `numbers`.
fn text(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    segment_text(lines(numbers), START_MS)
}

/// The bytes of the newest segment after `open`.
fn opened(bytes: &[u8]) -> Vec<u8> {
    let root = data_with_segment(bytes);
    let opened = open(root.path(), Clock::system()).unwrap();
    let files = paths(&opened, 0);
    assert_eq!(opened.last_arrival(), (!files.is_empty()).then_some(START_MS));
    files.first().map_or(Vec::new(), |path| fs::read(path).unwrap())
}

#[test]
fn an_end_torn_at_any_byte_is_cut_off() {
    let (before, last) = (text(0..2), text([2]));
    for written in 0..last.len() {
        assert!(opened(&[&before, &last[..written]].concat()) == before, "{written}");
    }
    let complete = [before, last].concat();
    assert!(opened(&complete) == complete);
}

#[test]
fn an_end_of_zero_pages_is_cut_off() {
    let (before, mut last) = (text(0..2), text([2]));
    last[3..9].fill(0);
    let torn = [&before[..], &last, &[0; 5_000], b"\n", &last[..20]].concat();
    assert!(opened(&torn) == before);
    assert!(opened(&[0; 4_096]).is_empty());
    assert!(opened(b"").is_empty());
}

#[test]
fn damage_before_a_complete_line_stays() {
    let damaged = [&text([0])[..], b"{\"number\n\0\0\n", &text([1])].concat();
    assert!(opened(&damaged) == damaged);
}

/// The text of a file of checksums with one group of `bytes` bytes up to `end`, whose hash is not compared.
fn checksums(end: usize, bytes: usize) -> String {
    format!("{end:020} {bytes:010} {:016x}\n", 0)
}

#[test]
fn pages_that_a_loss_of_power_lost_are_removed() {
    let [first, second, third] = [0, 1, 2].map(|number| text([number]));
    let hole = [0; 30];
    for (sums, segment, expected) in [
        // The hole is in the only group, with or without its checksum.
        (checksums(100, 100), [&hole[..], b"\n", &first, &hole, b"}\n", &second].concat(), "01"),
        (String::new(), [&first[..], &hole, &second, &third].concat(), "02"),
        // It is in the last of two groups.
        (
            checksums(first.len() + 32 + second.len(), 32 + second.len()),
            [&first[..], &hole, b"}\n", &second].concat(),
            "01",
        ),
        // It is before the last group, so it is no hole but damage. Old checksums may be absent.
        (checksums(400, third.len()), [&first[..], &hole, b"\n", &third].concat(), "0?2"),
    ] {
        let root = data_with_segment(&segment);
        let path = segment::path(&root.path().join("log"), 1);
        fs::write(path.with_file_name(".00000000000000000001.sums"), &sums).unwrap();
        let expected: Vec<_> = expected
            .bytes()
            .flat_map(|line| match line {
                b'?' => [&hole[..], b"\n"].concat(),
                line => text([u64::from(line - b'0')]),
            })
            .collect();
        let opened = open(root.path(), Clock::system()).unwrap();
        assert!(fs::read(&path).unwrap() == expected, "{sums}");
        assert_eq!(opened.last_arrival(), Some(START_MS));
        drop(opened);
        assert!(open(root.path(), Clock::system()).is_ok(), "a second start");
        assert!(fs::read(&path).unwrap() == expected, "{sums}");
    }
}

#[test]
fn a_file_with_a_sequence_that_no_archive_can_name_is_not_a_segment() {
    let root = data_with_segment(&text([0]));
    for sequence in [1 << 48, u64::MAX] {
        fs::write(segment::path(&root.path().join("log"), sequence), text([1])).unwrap();
    }
    let opened = open(root.path(), Clock::system()).unwrap();
    assert_eq!(paths(&opened, 0), [segment::path(&root.path().join("log"), 1)]);
}

proptest! {
    #[test]
    fn any_torn_end_is_cut_off_after_the_last_complete_line(
        numbers in prop::collection::vec(any::<u64>(), 0..4),
        cut in any::<prop::sample::Index>(),
        tail in prop::collection::vec(prop_oneof![Just(0), Just(b'\n'), Just(b'}'), any::<u8>()], 0..40),
    ) {
        let complete = text(numbers);
        let written = cut.index(complete.len() + 1);
        let end = complete[..written].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let torn = [&complete[..written], b"?", &tail].concat();
        prop_assert!(opened(&torn) == complete[..end]);
    }
}

#[test]
fn a_repaired_log_continues_in_a_new_segment() {
    let root = data_with_segment(&[&text(0..2)[..], b"{\"num"].concat());
    let (log, _delivered) = start(root.path(), Clock::manual(START_MS).0);
    append(&log, 2).unwrap();
    log.close();
    assert_eq!(logged_events(root.path()), [(0, START_MS), (1, START_MS), (2, START_MS)]);
}

#[test]
fn a_closed_segment_without_events_is_an_error_and_other_files_are_skipped() {
    let root = data_with_segment(&text([0]));
    let log = root.path().join("log");
    fs::write(segment::path(&log, 2), b"garbage\n").unwrap();
    fs::write(segment::path(&log, 3), b"").unwrap();
    let error = open(root.path(), Clock::system()).unwrap_err().to_string();
    assert!(error.contains("00000000000000000002.jsonl' has no events"), "{error}");
    fs::rename(segment::path(&log, 2), log.join("2.jsonl")).unwrap();
    assert_eq!(logged_events(root.path()), [(0, START_MS)]);
}

#[test]
fn segments_without_bytes_are_removed() {
    let root = data_with_segment(&text([0]));
    let log = root.path().join("log");
    fs::write(segment::path(&log, 2), b"").unwrap();
    assert_eq!(logged_events(root.path()), [(0, START_MS)]);
    assert_eq!(files(&log), [segment::path(&log, 1)]);
}

#[test]
fn opening_an_empty_data_directory_creates_nothing() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("data");
    let opened = open(&dir, Clock::system()).unwrap();
    assert_eq!(opened.last_arrival(), None);
    assert!(paths(&opened, 0).is_empty());
    assert!(!dir.exists());
}

#[test]
fn inputs_from_a_time_have_all_later_events_in_order_and_few_earlier_ones() {
    let root = tempfile::tempdir().unwrap();
    let (log_dir, archive) = (root.path().join("log"), archive_in(root.path()));
    fs::create_dir(&log_dir).unwrap();
    // Each segment has two events. The second is shortly before the next segment, so that some segments
    // share a second and some an arrival.
    let first_ms = |sequence: u64| START_MS + sequence * 700;
    for sequence in 1..=12 {
        let mut both = segment_text(lines([sequence]), first_ms(sequence));
        let last_ms = first_ms(sequence) + if sequence % 3 == 0 { 700 } else { 300 };
        both.extend(segment_text(lines([sequence + 100]), last_ms));
        let path = segment::path(&log_dir, sequence);
        fs::write(&path, both).unwrap();
        if sequence <= 8 {
            archive::seal(&path, sequence, &*archive).unwrap();
        }
    }
    let opened = open(root.path(), Clock::system()).unwrap();
    let all = paths(&opened, 0);
    let order: Vec<_> = all.iter().map(|path| events(path)[0].0).collect();
    assert_eq!(order, (1..=12).collect::<Vec<_>>());
    for from_ms in (START_MS..START_MS + 11_000).step_by(50) {
        let files = paths(&opened, from_ms);
        assert!(all.ends_with(&files));
        let left_out = &all[..all.len() - files.len()];
        let arrivals = left_out.iter().flat_map(|path| events(path));
        assert!(arrivals.into_iter().all(|(_, arrival)| arrival < from_ms), "{from_ms}");
        // Names have a resolution of a second, in which at most three objects begin.
        let old = files.iter().filter(|path| events(path).iter().all(|(_, ms)| *ms < from_ms));
        assert!(old.count() <= 3, "{from_ms}");
    }
    assert_eq!(paths(&opened, u64::MAX), all[11..]);
}
