//! The tables of a checkpoint, and the form of their rows.

use redb::{Key, ReadTransaction, TableDefinition, TableHandle};
use serde::Serialize;
use serde::de::DeserializeOwned;
use velodrome_dataflows::{ClassId, RaceId, RacerId};

use super::error::Fault;

/// A table whose values are encoded by [`encode`].
pub(super) type Table<K> = TableDefinition<'static, K, &'static [u8]>;

/// Record curves.
pub(super) const RECORDS: Table<(ClassId, RacerId)> = TableDefinition::new("records");
/// Best final outputs.
pub(super) const FINALS: Table<(ClassId, RacerId)> = TableDefinition::new("finals");
/// Names.
pub(super) const NAMES: Table<RacerId> = TableDefinition::new("names");
/// Rides that are over.
pub(super) const RIDES: Table<(ClassId, RaceId, RacerId)> = TableDefinition::new("rides");
/// View counts by project.
pub(super) const VIEWS: Table<String> = TableDefinition::new("views");
/// Counted events: the day of the event clock, the hash of the uuid.
pub(super) const SEEN: TableDefinition<'static, (u64, u128), ()> = TableDefinition::new("seen");

/// A key that is the same in memory and in a table.
pub(super) trait PlainKey: for<'a> Key<SelfType<'a> = Self> + Ord + 'static {}

impl<K: for<'a> Key<SelfType<'a> = K> + Ord + 'static> PlainKey for K {}

/// What each row of a table tells, keys ascending.
pub(super) fn rows<K: PlainKey, V: DeserializeOwned, T>(
    read: &ReadTransaction,
    table: Table<K>,
    tell: impl Fn(K, V) -> T,
) -> Result<impl Iterator<Item = Result<T, Fault>>, Fault> {
    let rows = read.open_table(table)?.range::<K>(..)?;
    Ok(rows.map(move |row| {
        let (key, value) = row?;
        Ok(tell(key.value(), decode(table, value.value())?))
    }))
}

/// The bytes of a value: an output takes 8, so a curve is as long as in memory.
pub(super) fn encode<K: PlainKey>(
    table: Table<K>,
    value: &impl Serialize,
) -> Result<Vec<u8>, Fault> {
    postcard::to_stdvec(value).map_err(|reason| {
        Fault::Damage(format!("a row of '{}' does not encode: {reason}", table.name()))
    })
}

/// The value that `bytes` of `table` encode.
///
/// # Errors
/// Bytes that are no such value.
pub(super) fn decode<K: PlainKey, V: DeserializeOwned>(
    table: Table<K>,
    bytes: &[u8],
) -> Result<V, Fault> {
    postcard::from_bytes(bytes).map_err(|reason| {
        Fault::Damage(format!("a row of '{}' does not decode: {reason}", table.name()))
    })
}
