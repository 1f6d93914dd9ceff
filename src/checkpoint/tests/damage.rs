//! Damaged files: each is named, or holds what it held.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

/// The byte of a redb file whose lowest bit, alone under no checksum, says which commit is the newest.
const NEWEST: usize = 9;

/// A time, and what a checkpoint complete to it holds.
type Content = (Option<Clock>, (Vec<Change>, Vec<Viewed>));

/// A good file's bytes, closed or as a crash left it, and what each write came to.
struct Good {
    closed: Vec<u8>,
    crashed: Vec<u8>,
    contents: Vec<Content>,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let (_directory, path) = place();
    let mut checkpoint = open(&path);
    let mut contents = Vec::new();
    for complete in 1..=3 {
        let racers = 0..20 * complete as u32;
        let record = |racer| {
            let outputs: Vec<_> = (1..=300).map(|second| (second, f64::from(racer + 1))).collect();
            Change::Record((1, racer), record(&outputs))
        };
        let changes = racers.map(record).chain(finals(200)).collect();
        let viewed = (0..200).map(|uuid| Viewed::Seen(complete, uuid)).collect();
        checkpoint.write(complete, changes, viewed).unwrap();
        contents.push((Some(complete), read(&checkpoint).unwrap()));
    }
    let crashed = fs::read(&path).unwrap();
    drop(checkpoint);
    Good { closed: fs::read(&path).unwrap(), crashed, contents }
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
    /// Damages `bytes` at a place, given as a share of their length.
    fn befall(self, bytes: &mut Vec<u8>, place: f64) {
        let at = (bytes.len() as f64 * place) as usize;
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

/// Places all over the file, and often in its header (the first 320 bytes).
fn place_of_damage() -> impl Strategy<Value = f64> {
    let header = 320.0 / GOOD.closed.len() as f64;
    prop_oneof![0.0..1.0, 0.0..header]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn is_named_or_harmless(
        damage in damage(),
        share in place_of_damage(),
        is_closed in any::<bool>(),
    ) {
        let good = &*GOOD;
        let whole = if is_closed { &good.closed } else { &good.crashed };
        let mut bytes = whole.clone();
        damage.befall(&mut bytes, share);
        let is_before = bytes.get(NEWEST).is_some_and(|byte| (byte ^ whole[NEWEST]) & 1 == 1);
        let (_directory, path) = place();
        fs::write(&path, bytes).unwrap();
        let opened = Checkpoint::open(&path, &Rules::default());
        match opened.and_then(|opened| Ok((opened.complete(), read(&opened)?))) {
            Ok(content) => {
                let is_newest = good.contents.last() == Some(&content);
                prop_assert!(is_newest || (is_before && good.contents[1] == content));
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
fn an_emptied_file_is_no_new_one() {
    let (_directory, path) = place();
    for bytes in [Vec::new(), vec![0; GOOD.closed.len()], b"{}".to_vec()] {
        fs::write(&path, bytes).unwrap();
        let error = Checkpoint::open(&path, &Rules::default()).unwrap_err();
        assert!(matches!(error, CheckpointError::Damaged { .. }), "{error}");
    }
}

#[test]
fn a_row_that_does_not_decode_is_named() {
    let (_directory, path) = place();
    let mut checkpoint = open(&path);
    checkpoint.write(1, finals(3), Vec::new()).unwrap();
    let write = checkpoint.store.as_ref().unwrap().begin_write().unwrap();
    write.open_table(RIDES).unwrap().insert((1, 2, 3), b"\x09".as_slice()).unwrap();
    write.commit().unwrap();
    let error = read(&checkpoint).unwrap_err().to_string();
    assert!(error.contains("a row of 'rides' does not decode"), "{error}");
}
