//! A delta: what changed since the last write, joined by key before the store is touched.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadableTable, ReadableTableMetadata, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;
use velodrome_dataflows::{
    BestFinal, Change, ClassId, DEDUP_DAYS, Kept, Name, RacerId, Record, RideKey, Semigroup,
    ViewCount, Viewed,
};

use super::error::Fault;
use super::tables::{FINALS, NAMES, PlainKey, RECORDS, RIDES, SEEN, Table, VIEWS, decode, encode};

/// What changed, keys ascending, which is the order in which a table is written fastest.
#[derive(Debug, Default)]
pub(super) struct Delta {
    records: BTreeMap<(ClassId, RacerId), Record>,
    finals: BTreeMap<(ClassId, RacerId), BestFinal>,
    names: BTreeMap<RacerId, Name>,
    rides: BTreeMap<RideKey, Kept>,
    views: BTreeMap<String, ViewCount>,
    seen: BTreeSet<(u64, u128)>,
}

impl Delta {
    /// Joins more changes; of one ride's, the last counts.
    pub(super) fn add(&mut self, changes: Vec<Change>, viewed: Vec<Viewed>) {
        for change in changes {
            match change {
                Change::Record(key, record) => join(&mut self.records, key, record),
                Change::Final(key, best) => join(&mut self.finals, key, best),
                Change::Name(racer, name) => join(&mut self.names, racer, name),
                Change::Kept(key, kept) => drop(self.rides.insert(key, kept)),
                // A ride that is kept tells its result and stage again; late events are counted in
                // this run alone.
                Change::Result(..) | Change::Stage(..) | Change::Late(_) => {}
                // Who is banned has a file of its own, which holds whatever becomes of this one.
                Change::Ban(_) => {}
            }
        }
        for viewed in viewed {
            match viewed {
                Viewed::Count(project, count) => {
                    join(&mut self.views, project.into_string(), count);
                }
                Viewed::Seen(day, uuid) => drop(self.seen.insert((day, uuid))),
            }
        }
    }

    /// Brings the tables up to date, and tells how many rows were put or removed.
    pub(super) fn apply(&self, write: &WriteTransaction) -> Result<u64, Fault> {
        Ok(add(write, RECORDS, &self.records)?
            + add(write, FINALS, &self.finals)?
            + add(write, NAMES, &self.names)?
            + put_rides(write, &self.rides)?
            + add(write, VIEWS, &self.views)?
            + put_seen(write, &self.seen)?)
    }
}

fn join<K: Ord, S: Semigroup>(sums: &mut BTreeMap<K, S>, key: K, more: S) {
    match sums.entry(key) {
        Entry::Occupied(sum) => sum.into_mut().plus_equals(&more),
        Entry::Vacant(place) => drop(place.insert(more)),
    }
}

/// Adds to each row what is new.
fn add<K: PlainKey, S: Semigroup + Serialize + DeserializeOwned>(
    write: &WriteTransaction,
    definition: Table<K>,
    more: &BTreeMap<K, S>,
) -> Result<u64, Fault> {
    let mut table = write.open_table(definition)?;
    let rows = more.len() as u64;
    for (key, more) in more {
        let kept =
            table.get(key)?.map(|kept| decode::<K, S>(definition, kept.value())).transpose()?;
        let sum = kept.map(|mut sum| {
            sum.plus_equals(more);
            sum
        });
        table.insert(key, encode(definition, sum.as_ref().unwrap_or(more))?.as_slice())?;
    }
    Ok(rows)
}

fn put_rides(write: &WriteTransaction, rides: &BTreeMap<RideKey, Kept>) -> Result<u64, Fault> {
    let mut table = write.open_table(RIDES)?;
    let rows = rides.len() as u64;
    for (key, kept) in rides {
        match kept {
            Kept::Forgotten => drop(table.remove(key)?),
            kept => drop(table.insert(key, encode(RIDES, &kept)?.as_slice())?),
        }
    }
    Ok(rows)
}

/// Puts counted events, and removes those of days that no event is compared with any more.
fn put_seen(write: &WriteTransaction, seen: &BTreeSet<(u64, u128)>) -> Result<u64, Fault> {
    let mut table = write.open_table(SEEN)?;
    let mut rows = seen.len() as u64;
    for event in seen {
        table.insert(event, ())?;
    }
    let newest = table.last()?.map_or(0, |(event, _)| event.value().0);
    let oldest = (newest.saturating_sub(DEDUP_DAYS), 0);
    table.retain_in(..oldest, |_, ()| {
        rows += 1;
        false
    })?;
    // What the graph holds of them in memory is as many.
    metrics::gauge!("velodrome_seen_events").set(table.len()? as f64);
    Ok(rows)
}
