//! The changes since the last write, combined by key before they are written to the store.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadableTable, ReadableTableMetadata, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;
use velodrome_dataflows::{
    BestFinal, Change, ClassId, DEDUP_DAYS, Name, RacerId, Record, RideKey, SavedRide, Semigroup,
    ViewChange, ViewCount,
};

use super::error::Fault;
use super::tables::{FINALS, NAMES, PlainKey, RECORDS, RIDES, SEEN, Table, VIEWS, decode, encode};

/// Changes by ascending key, the order in which a table is written fastest.
#[derive(Debug, Default)]
pub(super) struct Delta {
    records: BTreeMap<(ClassId, RacerId), Record>,
    finals: BTreeMap<(ClassId, RacerId), BestFinal>,
    names: BTreeMap<(ClassId, RacerId), Name>,
    rides: BTreeMap<RideKey, SavedRide>,
    views: BTreeMap<String, ViewCount>,
    seen: BTreeSet<(u64, u128)>,
}

impl Delta {
    /// Adds changes to the delta. For each ride, only the most recent change is retained.
    pub(super) fn add(&mut self, changes: Vec<Change>, view_changes: Vec<ViewChange>) {
        for change in changes {
            match change {
                Change::Record(key, record) => combine(&mut self.records, key, record),
                Change::Final(key, best) => combine(&mut self.finals, key, best),
                Change::Name(racer, name) => combine(&mut self.names, racer, name),
                Change::Saved(key, saved) => drop(self.rides.insert(key, saved)),
                // Not saved: a restored ride emits its result and stage again, and late events are
                // counted per run.
                Change::Result(..) | Change::Stage(..) | Change::Late(_) => {}
                // Not saved: bans are in a separate file, which survives a lost checkpoint.
                Change::Ban(_) => {}
            }
        }
        for change in view_changes {
            match change {
                ViewChange::Count(project, count) => {
                    combine(&mut self.views, project.into_string(), count);
                }
                ViewChange::Seen(day, uuid) => drop(self.seen.insert((day, uuid))),
            }
        }
    }

    /// Applies the changes to the tables. Returns the number of rows that were written or removed.
    pub(super) fn apply(&self, write: &WriteTransaction) -> Result<u64, Fault> {
        Ok(add_rows(write, RECORDS, &self.records)?
            + add_rows(write, FINALS, &self.finals)?
            + add_rows(write, NAMES, &self.names)?
            + put_rides(write, &self.rides)?
            + add_rows(write, VIEWS, &self.views)?
            + put_seen(write, &self.seen)?)
    }
}

/// Adds `more` to the sum at `key`.
fn combine<K: Ord, S: Semigroup>(sums: &mut BTreeMap<K, S>, key: K, more: S) {
    match sums.entry(key) {
        Entry::Occupied(sum) => sum.into_mut().plus_equals(&more),
        Entry::Vacant(place) => drop(place.insert(more)),
    }
}

/// Adds the changes to the rows of a table.
fn add_rows<K: PlainKey, S: Semigroup + Serialize + DeserializeOwned>(
    write: &WriteTransaction,
    definition: Table<K>,
    changes: &BTreeMap<K, S>,
) -> Result<u64, Fault> {
    let mut table = write.open_table(definition)?;
    let rows = changes.len() as u64;
    for (key, change) in changes {
        let saved =
            table.get(key)?.map(|saved| decode::<K, S>(definition, saved.value())).transpose()?;
        let sum = saved.map(|mut sum| {
            sum.plus_equals(change);
            sum
        });
        table.insert(key, encode(definition, sum.as_ref().unwrap_or(change))?.as_slice())?;
    }
    Ok(rows)
}

/// Writes rides, and removes those that have expired.
fn put_rides(write: &WriteTransaction, rides: &BTreeMap<RideKey, SavedRide>) -> Result<u64, Fault> {
    let mut table = write.open_table(RIDES)?;
    let rows = rides.len() as u64;
    for (key, ride) in rides {
        match ride {
            SavedRide::Expired => drop(table.remove(key)?),
            saved => drop(table.insert(key, encode(RIDES, &saved)?.as_slice())?),
        }
    }
    Ok(rows)
}

/// Writes counted events, and removes those older than the deduplication window.
///
/// Retains one day more: a recovery reads up to a day before the checkpoint's time again, in which the
/// window began a day earlier.
fn put_seen(write: &WriteTransaction, seen: &BTreeSet<(u64, u128)>) -> Result<u64, Fault> {
    let mut table = write.open_table(SEEN)?;
    let mut rows = seen.len() as u64;
    for event in seen {
        table.insert(event, ())?;
    }
    let newest = table.last()?.map_or(0, |(event, _)| event.value().0);
    let oldest = (newest.saturating_sub(DEDUP_DAYS + 1), 0);
    table.retain_in(..oldest, |_, ()| {
        rows += 1;
        false
    })?;
    // The metric describes the graph's memory, which has the entries of the table but for the oldest day.
    metrics::gauge!("velodrome_dedup_entries").set(table.len()? as f64);
    Ok(rows)
}
