//! What the lock of the live state guards: races by key, the orders in which they are listed, counters,
//! and what has changed since somebody looked.

use std::collections::BTreeSet;
use std::mem;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

use compact_str::CompactString;
use hashbrown::{HashMap, HashSet};
use velodrome_dataflows::{
    ClassId, Clock, Curve, RaceId, RacerId, RideKey, Semigroup, Stage, Standing, ViewCount,
};

use super::race::Race;
use super::{FeedChange, RaceOrder, RaceSummary, Versions};

/// The live state of one time.
#[derive(Debug, Default)]
pub struct State {
    time: Clock,
    races: HashMap<(ClassId, RaceId), Race>,
    /// All races.
    order: BTreeSet<RaceOrder>,
    classes: HashMap<ClassId, Class>,
    /// The newest versions of any class.
    newest: Versions,
    /// When all records and leaderboards changed last: by a ban, or by other rules.
    all_version: Clock,
    projects: HashMap<CompactString, ViewCount>,
    touched: Mutex<Touched>,
}

/// What changed, came or went.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Running rides, by race.
    pub rides: HashMap<(ClassId, RaceId), HashSet<RacerId>>,
    /// Races whose summary is another one.
    pub races: HashSet<(ClassId, RaceId)>,
    /// Projects that were viewed.
    pub projects: HashSet<CompactString>,
}

#[derive(Debug, Default)]
struct Class {
    /// Its races.
    order: BTreeSet<RaceOrder>,
    /// Those that are running.
    running: BTreeSet<RaceOrder>,
    versions: Versions,
}

impl State {
    pub(super) fn apply(&mut self, time: Clock, changes: Vec<FeedChange>) {
        self.time = time;
        for change in changes {
            match change {
                FeedChange::Stage(ride, stage) => self.take(ride, stage),
                FeedChange::Records(class) => {
                    self.classes.entry(class).or_default().versions.records = time;
                    self.newest.records = time;
                }
                FeedChange::Leaderboard(class) => {
                    self.classes.entry(class).or_default().versions.leaderboard = time;
                    self.newest.leaderboard = time;
                }
                FeedChange::Views(project, more) => {
                    let count = self.projects.entry(project.clone()).or_default();
                    count.plus_equals(&more);
                    self.touched().projects.insert(project);
                }
                FeedChange::Bans => self.all_version = time,
            }
        }
    }

    /// Takes the place of `before` at `at`: all that is another now counts as changed.
    pub(super) fn succeed(&mut self, before: &mut Self, at: Clock) {
        (self.time, self.all_version) = (self.time.max(at), at);
        // A class of which nothing is left is one that changed, too.
        for class in before.classes.keys() {
            self.classes.entry(*class).or_default();
        }
        // What nobody has asked for yet may be the same here, and is to be told all the same.
        let mut touched = mem::take(before.touched());
        for (key, race) in self.races.iter().chain(&before.races) {
            if race.second().is_some() {
                touched.rides.entry(*key).or_default().extend(race.riders());
            }
            if self.race(key.0, key.1) != before.race(key.0, key.1) {
                touched.races.insert(*key);
            }
        }
        for project in self.projects.keys().chain(before.projects.keys()) {
            if self.projects.get(project) != before.projects.get(project) {
                touched.projects.insert(project.clone());
            }
        }
        *self.touched() = touched;
    }

    fn take(&mut self, (class, race, racer): RideKey, stage: Stage) {
        let key = (class, race);
        let began = match &stage {
            Stage::Running(standing, _) => Some(standing.began),
            Stage::Over { began } => Some(*began),
            Stage::Forgotten => None,
        };
        let (state, before) = match (self.races.get_mut(&key), began) {
            (Some(state), _) => {
                let before = state.listing();
                (state, before)
            }
            (None, Some(began)) => (self.races.entry(key).or_insert(Race::new(began)), None),
            (None, None) => return,
        };
        let (racers, was_running) = (state.racers(), state.standing(racer).is_some());
        state.take(racer, stage);
        let after = state.listing();
        let is_ride = was_running || state.standing(racer).is_some();
        let is_race = before != after || racers != state.racers();
        if after.is_none() {
            self.races.remove(&key);
        }
        if before != after {
            self.list(key, before, after);
        }
        let touched = self.touched();
        if is_ride {
            touched.rides.entry(key).or_default().insert(racer);
        }
        if is_race {
            touched.races.insert(key);
        }
    }

    fn touched(&mut self) -> &mut Touched {
        self.touched.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a race where it is to be listed, in place of where it was.
    fn list(
        &mut self,
        (class, race): (ClassId, RaceId),
        before: Option<(Clock, bool)>,
        after: Option<(Clock, bool)>,
    ) {
        let of_class = self.classes.entry(class).or_default();
        if let Some((began, _)) = before {
            let order = (began, class, race);
            self.order.remove(&order);
            of_class.order.remove(&order);
            of_class.running.remove(&order);
        }
        if let Some((began, is_running)) = after {
            let order = (began, class, race);
            self.order.insert(order);
            of_class.order.insert(order);
            if is_running {
                of_class.running.insert(order);
            }
        }
    }

    /// The last tick that changed anything, 0 where none did.
    pub fn time(&self) -> Clock {
        self.time
    }

    /// What changed since the last call, up to this very time. Somebody must call it now and then, or
    /// it grows with each race.
    pub fn take_touched(&self) -> Touched {
        mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How each running ride of a race stands: outputs descending, racers of equal ones ascending.
    /// Empty where the race is over, `None` where no such race is known.
    pub fn standings(&self, class: ClassId, race: RaceId) -> Option<Vec<(RacerId, Standing)>> {
        let mut rows = self.races.get(&(class, race))?.standings();
        rows.sort_unstable_by(|(a, x), (b, y)| y.output.cmp(&x.output).then(a.cmp(b)));
        Some(rows)
    }

    /// How a running ride stands.
    pub fn standing(&self, (class, race, racer): RideKey) -> Option<&Standing> {
        self.races.get(&(class, race))?.standing(racer)
    }

    /// What a running ride has come to at each second.
    pub fn curve(&self, (class, race, racer): RideKey) -> Option<&Curve> {
        self.races.get(&(class, race))?.curve(racer)
    }

    /// The greatest second that half of the running rides of a race have reached.
    pub fn second(&self, class: ClassId, race: RaceId) -> Option<u16> {
        self.races.get(&(class, race))?.second()
    }

    /// At most `limit` races, of one class or of all, newest first: `began` descending, then class
    /// and race descending. They begin behind the given one, which need not be there any more.
    pub fn races(
        &self,
        class: Option<ClassId>,
        behind: Option<RaceOrder>,
        limit: usize,
    ) -> Vec<RaceSummary> {
        let order = match class {
            Some(class) => self.classes.get(&class).map(|of_class| &of_class.order),
            None => Some(&self.order),
        };
        let below = behind.map_or(Bound::Unbounded, Bound::Excluded);
        let listed =
            order.into_iter().flat_map(|order| order.range((Bound::Unbounded, below)).rev());
        listed.take(limit).filter_map(|(_, class, race)| self.race(*class, *race)).collect()
    }

    /// A race that has riders, running or over.
    pub fn race(&self, class: ClassId, race: RaceId) -> Option<RaceSummary> {
        let state = self.races.get(&(class, race))?;
        let (began, is_running) = state.listing()?;
        Some(RaceSummary { order: (began, class, race), is_running, racers: state.racers() })
    }

    /// The newest running race of a class.
    pub fn running(&self, class: ClassId) -> Option<RaceId> {
        self.classes.get(&class)?.running()
    }

    /// The newest running race of each class that has one, classes in no order.
    pub fn running_by_class(&self) -> Vec<(ClassId, RaceId)> {
        let classes = self.classes.iter();
        classes.filter_map(|(class, of_class)| Some((*class, of_class.running()?))).collect()
    }

    /// When records and leaderboard of a class changed last.
    pub fn versions(&self, class: ClassId) -> Versions {
        let own = self.classes.get(&class).map(|of_class| of_class.versions);
        self.with_all(own.unwrap_or_default())
    }

    /// When the records of each known class changed last, classes in no order.
    pub fn record_versions(&self) -> Vec<(ClassId, Clock)> {
        let classes = self.classes.iter();
        classes.map(|(class, own)| (*class, self.with_all(own.versions).records)).collect()
    }

    /// When records and leaderboard of any class changed last.
    pub fn newest_versions(&self) -> Versions {
        self.with_all(self.newest)
    }

    fn with_all(&self, Versions { records, leaderboard }: Versions) -> Versions {
        let all = self.all_version;
        Versions { records: records.max(all), leaderboard: leaderboard.max(all) }
    }

    /// When who is banned or which rules hold changed last, 0 for never.
    pub fn all_version(&self) -> Clock {
        self.all_version
    }

    /// How often and how long a project was viewed, where it ever was.
    pub fn project(&self, project: &str) -> Option<ViewCount> {
        self.projects.get(project).copied()
    }

    /// All projects that were ever viewed, in no order.
    pub fn projects(&self) -> impl Iterator<Item = (&CompactString, &ViewCount)> {
        self.projects.iter()
    }
}

impl Class {
    /// The newest race that is running.
    fn running(&self) -> Option<RaceId> {
        self.running.last().map(|(_, _, race)| *race)
    }
}
