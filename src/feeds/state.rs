//! What the lock of the live state guards: races by key, and the orders in which they are listed.

use std::collections::BTreeSet;
use std::ops::Bound;

use hashbrown::HashMap;
use velodrome_dataflows::{ClassId, Clock, RaceId, RacerId, RideKey, Stage, Standing};

use super::race::Race;
use super::{FeedChange, RaceOrder, RaceSummary, Versions};

#[derive(Debug, Default)]
pub(super) struct State {
    races: HashMap<(ClassId, RaceId), Race>,
    /// All races.
    order: BTreeSet<RaceOrder>,
    classes: HashMap<ClassId, Class>,
    /// The newest versions of any class.
    pub(super) newest: Versions,
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
    pub(super) fn apply(&mut self, time: Clock, change: FeedChange) {
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
        }
    }

    fn take(&mut self, (class, race, racer): RideKey, stage: Stage) {
        let key = (class, race);
        let began = match &stage {
            Stage::Running(standing) => Some(standing.began),
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
        state.take(racer, stage);
        let after = state.listing();
        if after.is_none() {
            self.races.remove(&key);
        }
        if before != after {
            self.list(key, before, after);
        }
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

    /// In no order.
    pub(super) fn standings(
        &self,
        class: ClassId,
        race: RaceId,
    ) -> Option<Vec<(RacerId, Standing)>> {
        self.races.get(&(class, race)).map(Race::standings)
    }

    pub(super) fn races(
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

    pub(super) fn race(&self, class: ClassId, race: RaceId) -> Option<RaceSummary> {
        let state = self.races.get(&(class, race))?;
        let (began, is_running) = state.listing()?;
        Some(RaceSummary { order: (began, class, race), is_running, racers: state.racers() })
    }

    pub(super) fn running(&self, class: ClassId) -> Option<RaceId> {
        self.classes.get(&class)?.running()
    }

    pub(super) fn running_by_class(&self) -> Vec<(ClassId, RaceId)> {
        let classes = self.classes.iter();
        classes.filter_map(|(class, of_class)| Some((*class, of_class.running()?))).collect()
    }

    pub(super) fn record_versions(&self) -> Vec<(ClassId, Clock)> {
        self.classes.iter().map(|(class, of_class)| (*class, of_class.versions.records)).collect()
    }

    pub(super) fn versions(&self, class: ClassId) -> Versions {
        self.classes.get(&class).map(|of_class| of_class.versions).unwrap_or_default()
    }
}

impl Class {
    /// The newest race that is running.
    fn running(&self) -> Option<RaceId> {
        self.running.last().map(|(_, _, race)| *race)
    }
}
