//! The source of a class's standings: a snapshot when a race begins or ends, otherwise changed rows.

use std::collections::BTreeSet;
use std::mem;

use hashbrown::HashMap;
use velodrome_dataflows::{ClassId, EventTime, RaceId, RacerId, Standing};

use super::draft::{Body, Draft, Standings, StandingsRow};
use super::tick::{Place, Source, Tick};
use crate::live_state::LiveTables;

pub(super) struct StandingsSource {
    class: ClassId,
    race: Option<RaceId>,
    /// The racers in the frames so far, and whether the ride itself had a name.
    riders: HashMap<RacerId, bool>,
    changed: BTreeSet<RacerId>,
    /// Version of the names that racers had in other rides.
    names: EventTime,
}

impl StandingsSource {
    pub(super) fn new(class: ClassId) -> Self {
        let (riders, changed) = (HashMap::new(), BTreeSet::new());
        Self { class, race: None, riders, changed, names: 0 }
    }

    /// Returns the running race and its standings.
    fn running(&self, live: &LiveTables) -> (Option<RaceId>, Vec<(RacerId, Standing)>) {
        let race = live.running_race(self.class);
        let rows = race.and_then(|race| live.standings(self.class, race));
        (race, rows.unwrap_or_default())
    }

    fn complete(
        &self,
        tick: &Tick<'_>,
        race: Option<RaceId>,
        rows: &[(RacerId, Standing)],
    ) -> Draft {
        let rows = rows.iter().map(|(racer, standing)| StandingsRow::new(*racer, standing));
        let rows: Vec<_> = rows.collect();
        let body = standings(tick.live, self.class, race, rows.len(), rows, Vec::new());
        Draft::snapshot(tick.time, body)
    }
}

impl Source for StandingsSource {
    fn note(&mut self, tick: &Tick<'_>) -> bool {
        let Tick { live, touched, .. } = tick;
        if live.running_race(self.class) != self.race {
            return true;
        }
        let Some(race) = self.race else { return false };
        self.changed.extend(touched.rides.get(&(self.class, race)).into_iter().flatten());
        let newest = names(live);
        if mem::replace(&mut self.names, newest) != newest {
            let nameless = self.riders.iter().filter(|(_, has_name)| !**has_name);
            self.changed.extend(nameless.map(|(racer, _)| racer));
        }
        !self.changed.is_empty()
    }

    fn next(&mut self, tick: &Tick<'_>) -> Option<(Place, Draft)> {
        let live = tick.live;
        let running = live.running_race(self.class);
        if running != self.race {
            let (race, rows) = self.running(live);
            self.race = race;
            self.riders = rows.iter().map(|(racer, row)| (*racer, row.name.is_some())).collect();
            self.names = names(live);
            self.changed.clear();
            return Some((Place::Begin, self.complete(tick, race, &rows)));
        }
        let race = running?;
        let (mut rows, mut gone) = (Vec::new(), Vec::new());
        for racer in mem::take(&mut self.changed) {
            match live.standing((self.class, race, racer)) {
                Some(standing) => {
                    self.riders.insert(racer, standing.name.is_some());
                    rows.push(StandingsRow::new(racer, standing));
                }
                // Includes racers that joined after the last frame: a snapshot in between may show them.
                None => {
                    self.riders.remove(&racer);
                    gone.push(racer);
                }
            }
        }
        let is_news = !rows.is_empty() || !gone.is_empty();
        let racers = self.riders.len();
        let body = is_news.then(|| standings(live, self.class, running, racers, rows, gone))?;
        Some((Place::Push, Draft::delta(tick.time, body)))
    }

    fn snapshot(&self, tick: &Tick<'_>) -> Draft {
        let (race, rows) = self.running(tick.live);
        self.complete(tick, race, &rows)
    }
}

fn standings(
    live: &LiveTables,
    class_id: ClassId,
    race_id: Option<RaceId>,
    racers: usize,
    rows: Vec<StandingsRow>,
    gone: Vec<RacerId>,
) -> Body {
    let race = race_id.and_then(|race| live.race(class_id, race));
    let started_at = race.map(|race| race.order.0);
    Body::Standings(Standings { class_id, race_id, started_at, racers, rows, gone })
}

/// Returns a time not before the last change of any racer's name: names change together with a record or
/// a leaderboard.
fn names(live: &LiveTables) -> EventTime {
    let newest = live.newest_versions();
    newest.records.max(newest.leaderboard)
}
