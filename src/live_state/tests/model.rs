//! A model of the live state. It stores the stage of every ride and recomputes each answer from them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use velodrome_dataflows::{
    ClassId, EventTime, Output, RaceId, RacerId, RideKey, Stage, Standing, ViewCount,
};

use super::{LiveChange, RaceSummary, Versions, running_stage};

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) rides: BTreeMap<RideKey, Stage>,
    /// The best output at each second of the running rides.
    pub(super) curves: BTreeMap<RideKey, BTreeMap<u16, Output>>,
    /// The earliest start of the rides of each race. It is reset when the race has no rides left.
    started_at: BTreeMap<(ClassId, RaceId), EventTime>,
    records: BTreeMap<ClassId, EventTime>,
    leaderboard: BTreeMap<ClassId, EventTime>,
    bans: EventTime,
    pub(super) views: BTreeMap<CompactString, ViewCount>,
}

impl Model {
    pub(super) fn apply(&mut self, time: EventTime, change: &LiveChange) {
        match change {
            LiveChange::Stage(ride, stage) => self.apply_stage(*ride, stage),
            LiveChange::Records(class) => _ = self.records.insert(*class, time),
            LiveChange::Leaderboard(class) => _ = self.leaderboard.insert(*class, time),
            LiveChange::Results(_) => {}
            LiveChange::Bans => self.bans = time,
            LiveChange::Views(project, more) => {
                let count = self.views.entry(project.clone()).or_default();
                count.views += more.views;
                count.duration_ms += more.duration_ms;
            }
        }
    }

    fn apply_stage(&mut self, ride: RideKey, stage: &Stage) {
        match stage {
            Stage::Running(_, outputs) => {
                let curve = self.curves.entry(ride).or_default();
                for (second, output) in outputs {
                    let best = curve.entry(*second).or_insert(*output);
                    *best = *output.max(best);
                }
            }
            _ => _ = self.curves.remove(&ride),
        }
        let start = match stage {
            Stage::Running(standing, _) => Some(standing.started_at),
            Stage::Finished { started_at } => Some(*started_at),
            Stage::Expired => None,
        };
        match start {
            Some(start) => {
                let earliest = self.started_at.entry((ride.0, ride.1)).or_insert(start);
                *earliest = start.min(*earliest);
                self.rides.insert(ride, stage.clone());
            }
            None => _ = self.rides.remove(&ride),
        }
        let races: BTreeSet<_> =
            self.rides.keys().map(|(class, race, _)| (*class, *race)).collect();
        self.started_at.retain(|race, _| races.contains(race));
    }

    fn of_race(&self, class: ClassId, race: RaceId) -> Vec<(RacerId, &Stage)> {
        let rides = self.rides.iter().filter(|((c, r, _), _)| (*c, *r) == (class, race));
        rides.map(|((_, _, racer), stage)| (*racer, stage)).collect()
    }

    /// The standing of a ride, if it is running.
    pub(super) fn standing(&self, ride: &RideKey) -> Option<Standing> {
        match self.rides.get(ride) {
            Some(Stage::Running(standing, _)) => Some(standing.clone()),
            _ => None,
        }
    }

    pub(super) fn standings(
        &self,
        class: ClassId,
        race: RaceId,
    ) -> Option<Vec<(RacerId, Standing)>> {
        let rides = self.of_race(class, race);
        let standing = |racer| Some((racer, self.standing(&(class, race, racer))?));
        let mut rows: Vec<_> = rides.iter().filter_map(|(racer, _)| standing(*racer)).collect();
        rows.sort_by_key(|(racer, standing)| (Reverse(standing.output), *racer));
        (!rides.is_empty()).then_some(rows)
    }

    /// All races of one class or of all, newest first.
    pub(super) fn races(&self, class: Option<ClassId>) -> Vec<RaceSummary> {
        let races =
            self.started_at.iter().filter(|((of, _), _)| class.is_none_or(|class| class == *of));
        let mut races: Vec<_> = races
            .map(|((class, race), started_at)| RaceSummary {
                order: (*started_at, *class, *race),
                is_running: self.standings(*class, *race).is_some_and(|rows| !rows.is_empty()),
                racers: self.of_race(*class, *race).len(),
            })
            .collect();
        races.sort_by_key(|race| Reverse(race.order));
        races
    }

    pub(super) fn finished_races(
        &self,
        class: ClassId,
        racer: RacerId,
        limit: usize,
    ) -> Vec<(EventTime, RaceId)> {
        let is_finished = |ride: &RideKey| {
            let stage = self.rides.get(ride);
            ride.0 == class && ride.2 == racer && matches!(stage, Some(Stage::Finished { .. }))
        };
        let rides = self.rides.keys().filter(|ride| is_finished(ride));
        let mut races: Vec<_> =
            rides.map(|(_, race, _)| (self.started_at[&(class, *race)], *race)).collect();
        races.sort_by_key(|race| Reverse(*race));
        races.truncate(limit);
        races
    }

    /// All projects, by views.
    pub(super) fn projects(&self) -> Vec<(CompactString, ViewCount)> {
        let mut projects: Vec<_> = self.views.iter().map(|(id, n)| (id.clone(), *n)).collect();
        projects.sort_by_key(|(id, count)| (Reverse(count.views), id.clone()));
        projects
    }

    pub(super) fn race(&self, class: ClassId, race: RaceId) -> Option<RaceSummary> {
        self.races(None).into_iter().find(|r| (r.order.1, r.order.2) == (class, race))
    }

    pub(super) fn median_second(&self, class: ClassId, race: RaceId) -> Option<u16> {
        let standings = self.standings(class, race)?;
        let reached = |second| standings.iter().filter(|row| row.1.second >= second).count();
        standings
            .iter()
            .map(|row| row.1.second)
            .filter(|second| 2 * reached(*second) >= standings.len())
            .max()
    }

    pub(super) fn running_race(&self, class: ClassId) -> Option<RaceId> {
        let race = self.races(Some(class)).into_iter().find(|race| race.is_running)?;
        Some(race.order.2)
    }

    pub(super) fn versions(&self, class: ClassId) -> Versions {
        let of = |times: &BTreeMap<_, EventTime>| {
            times.get(&class).copied().unwrap_or_default().max(self.bans)
        };
        Versions { records: of(&self.records), leaderboard: of(&self.leaderboard) }
    }

    pub(super) fn newest_versions(&self) -> Versions {
        let of = |times: &BTreeMap<_, EventTime>| {
            times.values().copied().max().unwrap_or_default().max(self.bans)
        };
        Versions { records: of(&self.records), leaderboard: of(&self.leaderboard) }
    }
}

/// A change that the engine could send next. `choice` (0 to 8) selects its kind.
pub(super) fn next_change(
    model: &Model,
    ride: RideKey,
    choice: u8,
    output: u8,
    clock: EventTime,
) -> LiveChange {
    let (class, _, _) = ride;
    let stage = match (model.rides.get(&ride), choice) {
        (_, 3) => return LiveChange::Records(class),
        (_, 4) => return LiveChange::Leaderboard(class),
        (_, 5) => return LiveChange::Bans,
        (_, 6) => {
            let count = ViewCount { views: output.into(), duration_ms: clock };
            return LiveChange::Views(format!("project-{}", ride.1).into(), count);
        }
        (None, 0) => Stage::Finished { started_at: clock },
        (None, _) => running_stage(output.into(), clock),
        (Some(Stage::Running(last, _)), 0) => Stage::Finished { started_at: last.started_at },
        (Some(Stage::Running(last, _)), 1 | 2) => running_stage(output.into(), last.started_at),
        (Some(_), _) => Stage::Expired,
    };
    LiveChange::Stage(ride, stage)
}
