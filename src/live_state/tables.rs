//! The tables behind the lock of the live state, as of one time.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use compact_str::CompactString;
use hashbrown::HashMap;
use velodrome_dataflows::{
    ClassId, Curve, EventTime, RaceId, RacerId, RideKey, Stage, Standing, ViewCount,
};

use super::change::{ChangedKeys, LiveChange};
use super::classes::{Classes, Versions};
use super::projects::{ProjectList, Projects};
use super::race::{Race, RaceOrder, RaceSummary, RunningRide};
use super::standings::{StandingsOrder, StandingsPart, StandingsRows};

/// The live state as of one time.
#[derive(Debug, Default)]
pub struct LiveTables {
    time: EventTime,
    races: HashMap<(ClassId, RaceId), Race>,
    /// The running rides of all races. One map, because a map for each race costs far more than a ride if
    /// most races have one ride. The rides are boxed, because a node of the map has space for eleven.
    running: BTreeMap<RideKey, Box<RunningRide>>,
    /// The same rides by rank.
    ranking: StandingsOrder,
    /// The races that each racer has finished, by class. It takes about 25 bytes for each result that is
    /// retained.
    finished: BTreeSet<(ClassId, RacerId, RaceId)>,
    classes: Classes,
    projects: Projects,
    /// The rows that lists have returned, for the metrics.
    rows_read: AtomicU64,
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
                LiveChange::Results(class) => self.classes.set_races_version(class, time),
                LiveChange::Views(project, more) => {
                    self.changed_mut().projects.insert(project.clone());
                    self.projects.add(project, &more, time);
                }
                LiveChange::Bans => self.classes.set_global_version(time),
            }
        }
        self.ranking.bound(|ride| Some(self.standing(ride)?.output));
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
        let ranked = self.running.get(&ride).map(|ride| ride.standing.output);
        let (was_running, is_running) = (ranked.is_some(), matches!(stage, Stage::Running(..)));
        state.count(was_running, &stage);
        match &stage {
            Stage::Finished { .. } => _ = self.finished.insert((class, racer, race)),
            _ => _ = self.finished.remove(&(class, racer, race)),
        }
        let is_same = matches!(&stage, Stage::Running(now, _) if Some(now.output) == ranked);
        if !is_same {
            self.ranking.change(ride, ranked, is_running);
        }
        if let Stage::Running(standing, outputs) = stage {
            let running = self.running.entry(ride);
            running
                .or_insert_with(|| Box::new(RunningRide::new(standing.clone())))
                .update(standing, outputs);
        } else {
            self.running.remove(&ride);
        }
        let after = state.summary(key);
        if after.is_none() {
            self.races.remove(&key);
        }
        self.classes.relist(class, before, after, self.time);
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
        self.projects.set_version(at);
        *self.rows_read.get_mut() += previous.rows_read();
        for project in self.projects.ids().chain(previous.projects.ids()) {
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
        Some(self.count_read(rows))
    }

    /// The selected rows of the standings of a race.
    ///
    /// Empty if the race is finished, `None` if it is unknown.
    pub fn standings_part(
        &self,
        (class, race): (ClassId, RaceId),
        selected: StandingsRows,
    ) -> Option<StandingsPart> {
        self.races.get(&(class, race))?;
        let part = self.ranking.part((class, race), selected, |ride| self.standing(ride));
        Some(StandingsPart { rows: self.count_read(part.rows), ..part })
    }

    /// Up to `limit` races of a class that a racer has finished, newest first, each with its start.
    pub fn finished_races(
        &self,
        class: ClassId,
        racer: RacerId,
        limit: usize,
    ) -> Vec<(EventTime, RaceId)> {
        let keys = (class, racer, RaceId::MIN)..=(class, racer, RaceId::MAX);
        let races = self.finished.range(keys);
        let started = |race| Some((self.races.get(&(class, race))?.started_at(), race));
        let mut races = self.count_read(races.filter_map(|(.., race)| started(*race)).collect());
        races.sort_unstable_by(|a, b| b.cmp(a));
        races.truncate(limit);
        races
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
        self.count_read(keys.filter_map(|(class, race)| self.race(class, race)).collect())
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

    /// When the list of races of a class or their results last changed.
    pub fn races_version(&self, class: ClassId) -> EventTime {
        self.classes.races_version(class)
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
        self.projects.get(project)
    }

    /// Up to `limit` projects with their view counts, by views descending, then by id ascending.
    ///
    /// The list starts after the project with the views and the id of `last`, which itself need not exist
    /// any more.
    pub fn projects(
        &self,
        last: Option<&(u64, CompactString)>,
        limit: usize,
    ) -> Vec<(CompactString, ViewCount)> {
        let rows = self.projects.list().after(last).take(limit);
        self.count_read(rows.map(|row| (row.id.clone(), row.count())).collect())
    }

    /// All projects as of this time. It copies no rows, so it does not block the writer for long.
    pub fn project_list(&self) -> ProjectList {
        self.projects.list().clone()
    }

    /// The number of rows that lists have returned, a measure of what reads cost.
    pub fn rows_read(&self) -> u64 {
        self.rows_read.load(Ordering::Relaxed)
    }

    fn count_read<T>(&self, rows: Vec<T>) -> Vec<T> {
        self.rows_read.fetch_add(rows.len() as u64, Ordering::Relaxed);
        rows
    }
}
