//! What the live state has for each class: its races in order, and when its records and leaderboard last
//! changed.

use std::collections::BTreeSet;
use std::ops::Bound;

use hashbrown::HashMap;
use velodrome_dataflows::{ClassId, EventTime, RaceId};

use super::race::{RaceOrder, RaceSummary};

/// When records and a leaderboard last changed: times of ticks, 0 for never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// When a record last changed.
    pub records: EventTime,
    /// When a row of the leaderboard last changed.
    pub leaderboard: EventTime,
}

/// All known classes. A class becomes known with its first race, record or leaderboard row.
#[derive(Debug, Default)]
pub(super) struct Classes {
    /// The races of all classes.
    order: BTreeSet<RaceOrder>,
    classes: HashMap<ClassId, Class>,
    /// When the records and the leaderboard of any class most recently changed.
    newest: Versions,
    /// When the records and leaderboards of all classes last changed together: by bans or new rules.
    global_version: EventTime,
}

#[derive(Debug, Default)]
struct Class {
    order: BTreeSet<RaceOrder>,
    running: BTreeSet<RaceOrder>,
    versions: Versions,
    /// When the list of races or their results last changed.
    races_version: EventTime,
}

impl Class {
    /// The newest running race.
    fn running_race(&self) -> Option<RaceId> {
        self.running.last().map(|(_, _, race)| *race)
    }
}

impl Classes {
    pub(super) fn set_records_version(&mut self, class: ClassId, time: EventTime) {
        self.classes.entry(class).or_default().versions.records = time;
        self.newest.records = time;
    }

    pub(super) fn set_leaderboard_version(&mut self, class: ClassId, time: EventTime) {
        self.classes.entry(class).or_default().versions.leaderboard = time;
        self.newest.leaderboard = time;
    }

    pub(super) fn set_races_version(&mut self, class: ClassId, time: EventTime) {
        self.classes.entry(class).or_default().races_version = time;
    }

    pub(super) fn set_global_version(&mut self, time: EventTime) {
        self.global_version = time;
    }

    /// Adds the classes of `other` that are not known here, without their races.
    pub(super) fn add_known(&mut self, other: &Self) {
        for class in other.classes.keys() {
            self.classes.entry(*class).or_default();
        }
    }

    /// Updates the lists after a race of `class` changed from `before` to `after` at `time`. `None` means
    /// that the race does not exist.
    pub(super) fn relist(
        &mut self,
        class: ClassId,
        before: Option<RaceSummary>,
        after: Option<RaceSummary>,
        time: EventTime,
    ) {
        let place = |summary: RaceSummary| (summary.order, summary.is_running);
        if before.map(place) == after.map(place) {
            return;
        }
        let of_class = self.classes.entry(class).or_default();
        of_class.races_version = time;
        if let Some(RaceSummary { order, .. }) = before {
            self.order.remove(&order);
            of_class.order.remove(&order);
            of_class.running.remove(&order);
        }
        if let Some(RaceSummary { order, is_running, .. }) = after {
            self.order.insert(order);
            of_class.order.insert(order);
            if is_running {
                of_class.running.insert(order);
            }
        }
    }

    /// The races of one class or of all, newest first, starting with the first one older than `after`.
    pub(super) fn races(
        &self,
        class: Option<ClassId>,
        after: Option<RaceOrder>,
    ) -> impl Iterator<Item = (ClassId, RaceId)> {
        let order = match class {
            Some(class) => self.classes.get(&class).map(|of_class| &of_class.order),
            None => Some(&self.order),
        };
        let below = after.map_or(Bound::Unbounded, Bound::Excluded);
        let newest_first =
            order.into_iter().flat_map(move |order| order.range((Bound::Unbounded, below)).rev());
        newest_first.map(|(_, class, race)| (*class, *race))
    }

    /// The newest running race of a class.
    pub(super) fn running_race(&self, class: ClassId) -> Option<RaceId> {
        self.classes.get(&class)?.running_race()
    }

    /// The newest running race of each class that has one, in no particular order.
    pub(super) fn running_races(&self) -> impl Iterator<Item = (ClassId, RaceId)> {
        let classes = self.classes.iter();
        classes.filter_map(|(class, of_class)| Some((*class, of_class.running_race()?)))
    }

    /// When the records and the leaderboard of a class last changed.
    pub(super) fn versions(&self, class: ClassId) -> Versions {
        let own = self.classes.get(&class).map(|of_class| of_class.versions);
        self.at_least_global(own.unwrap_or_default())
    }

    /// When the records of each known class last changed, in no particular order.
    pub(super) fn record_versions(&self) -> impl Iterator<Item = (ClassId, EventTime)> {
        let classes = self.classes.iter();
        classes.map(|(class, own)| (*class, self.at_least_global(own.versions).records))
    }

    /// When the list of races of a class or their results last changed.
    pub(super) fn races_version(&self, class: ClassId) -> EventTime {
        let own = self.classes.get(&class).map_or(0, |of_class| of_class.races_version);
        own.max(self.global_version)
    }

    /// When the records and the leaderboard of any class most recently changed.
    pub(super) fn newest_versions(&self) -> Versions {
        self.at_least_global(self.newest)
    }

    /// When bans or rules last changed.
    pub(super) fn global_version(&self) -> EventTime {
        self.global_version
    }

    fn at_least_global(&self, Versions { records, leaderboard }: Versions) -> Versions {
        let global = self.global_version;
        Versions { records: records.max(global), leaderboard: leaderboard.max(global) }
    }
}
