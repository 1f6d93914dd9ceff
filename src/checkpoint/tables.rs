//! The tables of a checkpoint, and the encoding of their rows.

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
/// Names of racers in a class.
pub(super) const NAMES: Table<(ClassId, RacerId)> = TableDefinition::new("names");
/// Saved rides.
pub(super) const RIDES: Table<(ClassId, RaceId, RacerId)> = TableDefinition::new("rides");
/// View counts by project.
pub(super) const VIEWS: Table<String> = TableDefinition::new("views");
/// Tracking events that were counted: the day of the event clock, and the hash of project and uuid.
pub(super) const SEEN: TableDefinition<'static, (u64, u128), ()> = TableDefinition::new("seen");

/// A key with the same type in memory and in a table.
pub(super) trait PlainKey: for<'a> Key<SelfType<'a> = Self> + Ord + 'static {}

impl<K: for<'a> Key<SelfType<'a> = K> + Ord + 'static> PlainKey for K {}

/// The rows of a table by ascending key, each mapped by `to_item`.
pub(super) fn rows<K: PlainKey, V: DeserializeOwned, T>(
    read: &ReadTransaction,
    table: Table<K>,
    to_item: impl Fn(K, V) -> T,
) -> Result<impl Iterator<Item = Result<T, Fault>>, Fault> {
    let rows = read.open_table(table)?.range::<K>(..)?;
    Ok(rows.map(move |row| {
        let (key, value) = row?;
        Ok(to_item(key.value(), decode(table, value.value())?))
    }))
}

/// The encoded value of a row. An output takes 8 bytes, so a curve is as large as in memory.
pub(super) fn encode<K: PlainKey>(
    table: Table<K>,
    value: &impl Serialize,
) -> Result<Vec<u8>, Fault> {
    postcard::to_stdvec(value).map_err(|reason| {
        Fault::Damage(format!("a row of '{}' does not encode: {reason}", table.name()))
    })
}

/// Decodes the value of a row of `table`.
///
/// # Errors
/// When the bytes are not a valid encoding of `V`.
pub(super) fn decode<K: PlainKey, V: DeserializeOwned>(
    table: Table<K>,
    bytes: &[u8],
) -> Result<V, Fault> {
    postcard::from_bytes(bytes).map_err(|reason| {
        Fault::Damage(format!("a row of '{}' does not decode: {reason}", table.name()))
    })
}
