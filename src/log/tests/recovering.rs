//! Torn ends are cut, and what is asked for is found in order.

use proptest::prelude::*;

use super::*;

/// A data directory whose one segment is `text`.
fn holding(text: &[u8]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("log")).unwrap();
    fs::write(segment::path(&root.path().join("log"), 1), text).unwrap();
    root
}

/// The lines of the events `numbers`.
fn text(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    arrived(lines(numbers), START_MS)
}

/// What is left of a newest segment after `open`.
fn opened(bytes: &[u8]) -> Vec<u8> {
    let root = holding(bytes);
    let recovered = open(root.path(), Clock::system()).unwrap();
    let files = paths(&recovered, 0);
    assert_eq!(recovered.last_arrival(), (!files.is_empty()).then_some(START_MS));
    files.first().map_or(Vec::new(), |path| fs::read(path).unwrap())
}

#[test]
fn an_end_torn_at_any_byte_is_cut() {
    let (before, last) = (text(0..2), text([2]));
    for kept in 0..last.len() {
        assert!(opened(&[&before, &last[..kept]].concat()) == before, "{kept}");
    }
    let whole = [before, last].concat();
    assert!(opened(&whole) == whole);
}

#[test]
fn an_end_of_pages_that_never_came_is_cut() {
    let (before, mut last) = (text(0..2), text([2]));
    last[3..9].fill(0);
    let torn = [&before[..], &last, &[0; 5_000], b"\n", &last[..20]].concat();
    assert!(opened(&torn) == before);
    assert!(opened(&[0; 4_096]).is_empty());
    assert!(opened(b"").is_empty());
}

#[test]
fn what_comes_before_a_whole_line_stays() {
    let damaged = [&text([0])[..], b"{\"number\n\0\0\n", &text([1])].concat();
    assert!(opened(&damaged) == damaged);
}

proptest! {
    #[test]
    fn any_end_is_cut_to_the_last_whole_line(
        numbers in prop::collection::vec(any::<u64>(), 0..4),
        cut in any::<prop::sample::Index>(),
        tail in prop::collection::vec(prop_oneof![Just(0), Just(b'\n'), Just(b'}'), any::<u8>()], 0..40),
    ) {
        let whole = text(numbers);
        let kept = cut.index(whole.len() + 1);
        let end = whole[..kept].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let torn = [&whole[..kept], b"?", &tail].concat();
        prop_assert!(opened(&torn) == whole[..end]);
    }
}

#[test]
fn a_cut_log_goes_on_in_a_new_segment() {
    let root = holding(&[&text(0..2)[..], b"{\"num"].concat());
    let (log, _delivered) = start(root.path(), Clock::manual(START_MS).0);
    append(&log, 2).unwrap();
    log.close();
    assert_eq!(recovered(root.path()), [(0, START_MS), (1, START_MS), (2, START_MS)]);
}

#[test]
fn a_closed_segment_without_events_is_named_and_other_files_are_passed_over() {
    let root = holding(b"garbage\n");
    let log = root.path().join("log");
    fs::write(segment::path(&log, 2), text([0])).unwrap();
    let error = open(root.path(), Clock::system()).unwrap_err().to_string();
    assert!(error.contains("00000000000000000001.jsonl' holds no event"), "{error}");
    fs::rename(segment::path(&log, 1), log.join("1.jsonl")).unwrap();
    assert_eq!(recovered(root.path()), [(0, START_MS)]);
}

#[test]
fn an_empty_data_directory_holds_nothing_and_nothing_is_made_in_it() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("data");
    let recovered = open(&dir, Clock::system()).unwrap();
    assert_eq!(recovered.last_arrival(), None);
    assert!(paths(&recovered, 0).is_empty());
    assert!(!dir.exists());
}

#[test]
fn files_from_a_time_hold_all_that_came_since_in_order_and_little_more() {
    let root = tempfile::tempdir().unwrap();
    let (log_dir, archive) = (root.path().join("log"), archive_in(root.path()));
    fs::create_dir(&log_dir).unwrap();
    // Two events a segment, the second half a second before the next segment: some share a second,
    // some an arrival.
    let first_ms = |sequence: u64| START_MS + sequence * 700;
    for sequence in 1..=12 {
        let mut both = arrived(lines([sequence]), first_ms(sequence));
        let last_ms = first_ms(sequence) + if sequence % 3 == 0 { 700 } else { 300 };
        both.extend(arrived(lines([sequence + 100]), last_ms));
        let path = segment::path(&log_dir, sequence);
        fs::write(&path, both).unwrap();
        if sequence <= 8 {
            archive::seal(&path, sequence, &*archive).unwrap();
        }
    }
    let recovered = open(root.path(), Clock::system()).unwrap();
    let all = paths(&recovered, 0);
    let order: Vec<_> = all.iter().map(|path| events(path)[0].0).collect();
    assert_eq!(order, (1..=12).collect::<Vec<_>>());
    for from_ms in (START_MS..START_MS + 11_000).step_by(50) {
        let files = paths(&recovered, from_ms);
        assert!(all.ends_with(&files));
        let left_out = &all[..all.len() - files.len()];
        let arrivals = left_out.iter().flat_map(|path| events(path));
        assert!(arrivals.into_iter().all(|(_, arrival)| arrival < from_ms), "{from_ms}");
        // Names have seconds: at most three objects begin in the one before.
        let old = files.iter().filter(|path| events(path).iter().all(|(_, ms)| *ms < from_ms));
        assert!(old.count() <= 3, "{from_ms}");
    }
    assert_eq!(paths(&recovered, u64::MAX), all[11..]);
}
