//! The tables behind the lock of the live state, as of one time.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Mutex, PoisonError};

use compact_str::CompactString;
use hashbrown::HashMap;
use velodrome_dataflows::{
    ClassId, Curve, EventTime, RaceId, RacerId, RideKey, Semigroup, Stage, Standing, ViewCount,
};

use super::change::{ChangedKeys, LiveChange};
use super::classes::{Classes, Versions};
use super::race::{Race, RaceOrder, RaceSummary, RunningRide};

/// The live state as of one time.
#[derive(Debug, Default)]
pub struct LiveTables {
    time: EventTime,
    races: HashMap<(ClassId, RaceId), Race>,
    /// The running rides of all races. One map, because a map for each race costs far more than a ride if
    /// most races have one ride. The rides are boxed, because a node of the map has space for eleven.
    running: BTreeMap<RideKey, Box<RunningRide>>,
    classes: Classes,
    projects: HashMap<CompactString, ViewCount>,
    /// Has its own lock, so that the stream can drain it through a shared reference.
    changed: Mutex<ChangedKeys>,
}

impl LiveTables {
    /// Applies all changes of the tick `time`.
    pub(super) fn apply(&mut self, time: EventTime, changes: Vec<LiveChange>) {
        self.time = time;
        for change in changes {
            match change {
                LiveChange::Stage(ride, stage) => self.apply_stage(ride, stage),
                LiveChange::Records(class) => self.classes.set_records_version(class, time),
                LiveChange::Leaderboard(class) => self.classes.set_leaderboard_version(class, time),
                LiveChange::Views(project, more) => {
                    let count = self.projects.entry(project.clone()).or_default();
                    count.plus_equals(&more);
                    self.changed_mut().projects.insert(project);
                }
                LiveChange::Bans => self.classes.set_global_version(time),
            }
        }
    }

    fn apply_stage(&mut self, ride: RideKey, stage: Stage) {
        let (class, race, racer) = ride;
        let key = (class, race);
        let started_at = match &stage {
            Stage::Running(standing, _) => Some(standing.started_at),
            Stage::Finished { started_at } => Some(*started_at),
            Stage::Expired => None,
        };
        let state = match (self.races.get_mut(&key), started_at) {
            (Some(state), _) => state,
            (None, Some(started_at)) => self.races.entry(key).or_insert(Race::new(started_at)),
            (None, None) => return,
        };
        let before = state.summary(key);
        let (was_running, is_running) = match &stage {
            Stage::Running(..) => (self.running.contains_key(&ride), true),
            _ => (self.running.remove(&ride).is_some(), false),
        };
        state.count(was_running, &stage);
        if let Stage::Running(standing, outputs) = stage {
            let running = self.running.entry(ride);
            running
                .or_insert_with(|| Box::new(RunningRide::new(standing.clone())))
                .update(standing, outputs);
        }
        let after = state.summary(key);
        if after.is_none() {
            self.races.remove(&key);
        }
        self.classes.relist(class, before, after);
        let changed = self.changed_mut();
        if was_running || is_running {
            changed.rides.entry(key).or_default().insert(racer);
        }
        if before != after {
            changed.races.insert(key);
        }
    }

    /// Marks every difference from `previous`, which this state replaces at `at`, as changed.
    pub(super) fn mark_differences(&mut self, previous: &mut Self, at: EventTime) {
        self.time = self.time.max(at);
        self.classes.set_global_version(at);
        // A class that no longer has any data has changed too.
        self.classes.add_known(&previous.classes);
        // Changes of the previous state that no reader has taken yet must still be reported, even where
        // both states agree.
        let mut changed = mem::take(previous.changed_mut());
        for (class, race, racer) in self.running.keys().chain(previous.running.keys()) {
            changed.rides.entry((*class, *race)).or_default().insert(*racer);
        }
        for key in self.races.keys().chain(previous.races.keys()) {
            if self.race(key.0, key.1) != previous.race(key.0, key.1) {
                changed.races.insert(*key);
            }
        }
        for project in self.projects.keys().chain(previous.projects.keys()) {
            if self.projects.get(project) != previous.projects.get(project) {
                changed.projects.insert(project.clone());
            }
        }
        *self.changed_mut() = changed;
    }

    fn changed_mut(&mut self) -> &mut ChangedKeys {
        self.changed.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of the last tick that changed anything, 0 if none did.
    pub fn time(&self) -> EventTime {
        self.time
    }

    /// Removes and returns the keys that changed since the last call, up to the time of this state.
    ///
    /// Call it regularly: the keys accumulate until then.
    pub fn take_changed(&self) -> ChangedKeys {
        mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The standings of the running rides of a race, by output descending, then racer ascending.
    ///
    /// Empty if the race is finished, `None` if it is unknown.
    pub fn standings(&self, class: ClassId, race: RaceId) -> Option<Vec<(RacerId, Standing)>> {
        self.races.get(&(class, race))?;
        let rides = self.running_rides(class, race);
        let mut rows: Vec<_> = rides.map(|(racer, ride)| (racer, ride.standing.clone())).collect();
        rows.sort_unstable_by(|(a, x), (b, y)| y.output.cmp(&x.output).then(a.cmp(b)));
        Some(rows)
    }

    /// The standing of a running ride.
    pub fn standing(&self, ride: RideKey) -> Option<&Standing> {
        Some(&self.running.get(&ride)?.standing)
    }

    /// The best output of a running ride at each second so far.
    pub fn curve(&self, ride: RideKey) -> Option<&Curve> {
        Some(&self.running.get(&ride)?.curve)
    }

    /// The greatest second that at least half of the running rides of a race have reached. A single device
    /// whose clock is fast does not move it.
    pub fn median_second(&self, class: ClassId, race: RaceId) -> Option<u16> {
        let rides = self.running_rides(class, race);
        let mut seconds: Vec<_> = rides.map(|(_, ride)| ride.standing.second).collect();
        let half = seconds.len().checked_sub(1)? / 2;
        let (_, second, _) = seconds.select_nth_unstable_by(half, |a, b| b.cmp(a));
        Some(*second)
    }

    /// The running rides of a race, by racer ascending.
    fn running_rides(
        &self,
        class: ClassId,
        race: RaceId,
    ) -> impl Iterator<Item = (RacerId, &RunningRide)> {
        let rides = self.running.range((class, race, RacerId::MIN)..=(class, race, RacerId::MAX));
        rides.map(|((_, _, racer), ride)| (*racer, &**ride))
    }

    /// Up to `limit` races of one class or of all, newest first: descending by start, class and race.
    ///
    /// The list starts with the first race older than `after`, which itself need not exist any more.
    pub fn races(
        &self,
        class: Option<ClassId>,
        after: Option<RaceOrder>,
        limit: usize,
    ) -> Vec<RaceSummary> {
        let keys = self.classes.races(class, after).take(limit);
        keys.filter_map(|(class, race)| self.race(class, race)).collect()
    }

    /// A race with at least one ride, running or finished.
    pub fn race(&self, class: ClassId, race: RaceId) -> Option<RaceSummary> {
        self.races.get(&(class, race))?.summary((class, race))
    }

    /// The newest running race of a class.
    pub fn running_race(&self, class: ClassId) -> Option<RaceId> {
        self.classes.running_race(class)
    }

    /// The newest running race of each class that has one, in no particular order.
    pub fn running_races(&self) -> Vec<(ClassId, RaceId)> {
        self.classes.running_races().collect()
    }

    /// When the records and the leaderboard of a class last changed.
    pub fn versions(&self, class: ClassId) -> Versions {
        self.classes.versions(class)
    }

    /// When the records of each known class last changed, in no particular order.
    pub fn record_versions(&self) -> Vec<(ClassId, EventTime)> {
        self.classes.record_versions().collect()
    }

    /// When records and a leaderboard of any class most recently changed.
    pub fn newest_versions(&self) -> Versions {
        self.classes.newest_versions()
    }

    /// When bans or rules last changed, which may change every record and leaderboard. 0 for never.
    pub fn global_version(&self) -> EventTime {
        self.classes.global_version()
    }

    /// The view count of a project, if it has one.
    pub fn project(&self, project: &str) -> Option<ViewCount> {
        self.projects.get(project).copied()
    }

    /// All projects with their view counts, unordered.
    pub fn projects(&self) -> impl Iterator<Item = (&CompactString, &ViewCount)> {
        self.projects.iter()
    }
}
