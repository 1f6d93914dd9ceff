//! Tests that a damaged file is either reported or still has its content.

use std::fs::File;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

/// The byte of a redb file whose lowest bit selects the newest commit. It is the only bit without a
/// checksum.
const NEWEST_COMMIT: usize = 9;

/// A time, and the content of a checkpoint that is complete up to it.
type Content = (Option<EventTime>, (Vec<Change>, Vec<ViewChange>));

/// The bytes of an intact file, closed cleanly or left by a crash, and the content after each write.
struct Intact {
    closed: Vec<u8>,
    crashed: Vec<u8>,
    contents: Vec<Content>,
}

static INTACT: LazyLock<Intact> = LazyLock::new(|| {
    let (_directory, path) = checkpoint_path();
    let mut checkpoint = open(&path);
    let mut contents = Vec::new();
    for complete in 1..=3 {
        let racers = 0..20 * complete as u32;
        let record = |racer| {
            let outputs: Vec<_> = (1..=300).map(|second| (second, f64::from(racer + 1))).collect();
            Change::Record((1, racer), record(&outputs))
        };
        let changes = racers.map(record).chain(finals(200)).collect();
        let view_changes = (0..200).map(|uuid| ViewChange::Seen(complete, uuid)).collect();
        checkpoint.write(complete, changes, view_changes, None).unwrap();
        contents.push((Some(complete), read(&checkpoint).unwrap()));
    }
    let crashed = fs::read(&path).unwrap();
    drop(checkpoint);
    Intact { closed: fs::read(&path).unwrap(), crashed, contents }
});

#[derive(Clone, Debug)]
enum Damage {
    Flipped(u8),
    Zeroed(usize),
    Overwritten(Vec<u8>),
    Truncated,
    Extended(usize),
}

impl Damage {
    /// Applies the damage at a position, given as a fraction of the length.
    fn apply(self, bytes: &mut Vec<u8>, position: f64) {
        let at = (bytes.len() as f64 * position) as usize;
        match self {
            Self::Flipped(bit) => bytes[at] ^= 1 << bit,
            Self::Zeroed(length) => bytes[at..].iter_mut().take(length).for_each(|byte| *byte = 0),
            Self::Overwritten(junk) => {
                bytes[at..].iter_mut().zip(junk).for_each(|(byte, junk)| *byte = junk);
            }
            Self::Truncated => bytes.truncate(at),
            Self::Extended(length) => bytes.extend(vec![7; length]),
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (0..8u8).prop_map(Damage::Flipped),
        2 => prop_oneof![1..64usize, 4096..40_000usize].prop_map(Damage::Zeroed),
        2 => prop::collection::vec(any::<u8>(), 1..200).prop_map(Damage::Overwritten),
        1 => Just(Damage::Truncated),
        1 => (1..10_000usize).prop_map(Damage::Extended),
    ]
}

/// Positions anywhere in the file, with a bias to its header (the first 320 bytes).
fn position() -> impl Strategy<Value = f64> {
    let header = 320.0 / INTACT.closed.len() as f64;
    prop_oneof![0.0..1.0, 0.0..header]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn damage_is_reported_or_harmless(
        damage in damage(),
        position in position(),
        is_closed in any::<bool>(),
    ) {
        let intact = &*INTACT;
        let original = if is_closed { &intact.closed } else { &intact.crashed };
        let mut bytes = original.clone();
        damage.apply(&mut bytes, position);
        let is_previous = bytes.get(NEWEST_COMMIT).is_some_and(|byte| (byte ^ original[NEWEST_COMMIT]) & 1 == 1);
        let (_directory, path) = checkpoint_path();
        fs::write(&path, &bytes).unwrap();
        let inspected = inspect(File::open(&path).unwrap(), &path);
        prop_assert!(fs::read(&path).unwrap() == bytes, "an inspection changes nothing");
        let opened = Checkpoint::open(&path, &Rules::default());
        let complete = |inspected: Inspected| inspected.complete;
        prop_assert_eq!(inspected.ok().map(complete), opened.as_ref().ok().map(Checkpoint::complete));
        match opened.and_then(|opened| Ok((opened.complete(), read(&opened)?))) {
            Ok(content) => {
                let is_newest = intact.contents.last() == Some(&content);
                prop_assert!(is_newest || (is_previous && intact.contents[1] == content));
            }
            Err(error) => {
                let text = error.to_string();
                prop_assert!(matches!(error, CheckpointError::Damaged { .. }), "{}", text);
                prop_assert!(text.contains(path.to_str().unwrap()) && text.contains("--rebuild"));
            }
        }
    }
}

#[test]
fn an_emptied_file_is_damage_and_not_a_new_checkpoint() {
    let (_directory, path) = checkpoint_path();
    for bytes in [Vec::new(), vec![0; INTACT.closed.len()], b"{}".to_vec()] {
        fs::write(&path, bytes).unwrap();
        let error = inspect(File::open(&path).unwrap(), &path).unwrap_err();
        assert!(matches!(error, CheckpointError::Damaged { .. }), "{error}");
        let error = Checkpoint::open(&path, &Rules::default()).unwrap_err();
        assert!(matches!(error, CheckpointError::Damaged { .. }), "{error}");
    }
}

#[test]
fn a_row_that_does_not_decode_is_reported_with_its_table() {
    let (_directory, path) = checkpoint_path();
    let mut checkpoint = open(&path);
    checkpoint.write(1, finals(3), Vec::new(), None).unwrap();
    let write = checkpoint.store.as_ref().unwrap().begin_write().unwrap();
    write.open_table(RIDES).unwrap().insert((1, 2, 3), b"\x09".as_slice()).unwrap();
    write.commit().unwrap();
    let error = read(&checkpoint).unwrap_err().to_string();
    assert!(error.contains("a row of 'rides' does not decode"), "{error}");
}

#[test]
fn a_curve_whose_chunks_do_not_fit_its_slots_does_not_decode() {
    for (slots, chunks, is_curve) in [
        (9, vec![], true),
        (9, vec![0, 2], true),
        (8, vec![8_190], true),
        (8, vec![8_191], false),
        (65_529, vec![], false),
        (8, vec![0, 2], false),
        (17, vec![0, 2], false),
        (16, vec![2_u16, 2], false),
        (16, vec![2, 0], false),
    ] {
        let row = postcard::to_stdvec(&(vec![1.0; slots], &chunks)).unwrap();
        let decoded = tables::decode::<_, Record>(RECORDS, &row);
        assert_eq!(decoded.is_ok(), is_curve, "{slots} {chunks:?}");
    }
}
