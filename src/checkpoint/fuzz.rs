//! Fuzz targets of checkpoints: damaged files, and rows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target panics if its decoder is wrong"
)]

use std::fs::{self, File};
use std::sync::LazyLock;

use velodrome_dataflows::{
    BestFinal, Change, Curve, Name, Output, Record, Rules, SavedRide, Semigroup, ViewChange,
    ViewCount,
};

use super::tables::{FINALS, NAMES, PlainKey, RECORDS, RIDES, Table, VIEWS, decode, encode};
use super::{Checkpoint, CheckpointError, inspect};

/// An intact file.
static INTACT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint.redb");
    let mut checkpoint = Checkpoint::open(&path, &Rules::default()).unwrap();
    for complete in 1..=3 {
        let mut curve = Curve::default();
        curve.raise(complete as u16, 5.0);
        let best = BestFinal { output: Output(1.0), race: 1, at: 1 };
        let changes = vec![Change::Record((1, 1), curve.into()), Change::Final((1, 1), best)];
        checkpoint.write(complete, changes, vec![ViewChange::Seen(complete, 1)], None).unwrap();
    }
    drop(checkpoint);
    fs::read(path).unwrap()
});

/// A damaged file opens at one of its commits, or its error says that it is damaged. Each five bytes of
/// the input replace a byte: four for its offset, and the new one.
pub(crate) fn checkpoint_file(input: &[u8]) {
    let mut bytes = INTACT.clone();
    for edit in input.chunks_exact(5) {
        let &[a, b, c, d, byte] = edit else { continue };
        let length = bytes.len();
        if let Some(place) = bytes.get_mut(u32::from_le_bytes([a, b, c, d]) as usize % length) {
            *place = byte;
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint.redb");
    fs::write(&path, bytes).unwrap();
    let inspected = inspect(File::open(&path).unwrap(), &path);
    let opened = Checkpoint::open(&path, &Rules::default());
    match opened.and_then(|opened| opened.read(|_, _| {}).map(|()| opened.complete())) {
        Ok(complete) => {
            assert!(complete.is_none_or(|time| (1..=3).contains(&time)));
            assert_eq!(inspected.unwrap().complete, complete);
        }
        Err(error) => assert!(matches!(error, CheckpointError::Damaged { .. }), "{error}"),
    }
}

/// The value of a row that is decoded is encoded as the same value, and can be added. The first byte
/// selects the table.
pub(crate) fn checkpoint_row(input: &[u8]) {
    let [table, value @ ..] = input else { return };
    match table % 5 {
        0 => sum(RECORDS, value, |record: &Record| _ = record.outputs().count()),
        1 => sum(FINALS, value, |_: &BestFinal| ()),
        2 => sum(NAMES, value, |_: &Name| ()),
        3 => drop(row::<_, SavedRide>(RIDES, value)),
        _ => sum(VIEWS, value, |_: &ViewCount| ()),
    }
}

fn row<K, V>(table: Table<K>, value: &[u8]) -> Option<V>
where
    K: PlainKey,
    V: serde::Serialize + serde::de::DeserializeOwned,
{
    let read: V = decode(table, value).ok()?;
    let written = encode(table, &read).expect("it encodes");
    let again: V = decode(table, &written).expect("it decodes");
    assert_eq!(encode(table, &again).expect("it encodes"), written);
    Some(read)
}

fn sum<K, V>(table: Table<K>, value: &[u8], read: impl Fn(&V))
where
    K: PlainKey,
    V: Semigroup + serde::Serialize + serde::de::DeserializeOwned,
{
    let (half, rest) = value.split_at(value.len() / 2);
    for value in [value, half, rest] {
        row::<K, V>(table, value).iter().for_each(&read);
    }
    if let (Some(mut sum), Some(more)) = (row::<K, V>(table, half), row::<K, V>(table, rest)) {
        sum.plus_equals(&more);
        read(&sum);
    }
}
