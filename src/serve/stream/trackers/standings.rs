//! `standings:1`: the running race of a class.

use std::collections::BTreeSet;
use std::mem;

use hashbrown::HashMap;
use velodrome_dataflows::{ClassId, EventTime, RaceId, RacerId, Standing};

use crate::live_state::LiveTables;
use crate::serve::stream::change_tracker::{ChangeTracker, FrameKind, LiveUpdate};
use crate::serve::stream::message::Message;
use crate::serve::stream::payload::{Payload, Standings, StandingsRow};

/// Reports a snapshot when a race begins or ends, and changed rows in between.
pub(super) struct StandingsTracker {
    class: ClassId,
    race: Option<RaceId>,
    /// The reported racers, and whether their ride has a name.
    reported: HashMap<RacerId, bool>,
    changed: BTreeSet<RacerId>,
    /// When names from other rides last changed.
    names_version: EventTime,
}

impl StandingsTracker {
    pub(super) fn new(class: ClassId) -> Self {
        let (reported, changed) = (HashMap::new(), BTreeSet::new());
        Self { class, race: None, reported, changed, names_version: 0 }
    }

    /// A time that changes at least whenever the name of a racer of the class does: names are saved with records and
    /// leaderboard entries.
    fn newest_names(&self, live: &LiveTables) -> EventTime {
        let versions = live.versions(self.class);
        versions.records.max(versions.leaderboard)
    }

    /// The running race and its ranked rows.
    fn running(&self, live: &LiveTables) -> (Option<RaceId>, Vec<(RacerId, Standing)>) {
        let race = live.running_race(self.class);
        let rows = race.and_then(|race| live.standings(self.class, race));
        (race, rows.unwrap_or_default())
    }

    fn snapshot_of(
        &self,
        update: &LiveUpdate<'_>,
        race: Option<RaceId>,
        rows: &[(RacerId, Standing)],
    ) -> Message {
        let rows = rows.iter().map(|(racer, standing)| StandingsRow::new(*racer, standing));
        let rows: Vec<_> = rows.collect();
        let payload = self.payload(update.live, race, rows.len(), rows, Vec::new());
        Message::snapshot(update.time, payload)
    }

    fn payload(
        &self,
        live: &LiveTables,
        race_id: Option<RaceId>,
        racers: usize,
        rows: Vec<StandingsRow>,
        gone: Vec<RacerId>,
    ) -> Payload {
        let class_id = self.class;
        let race = race_id.and_then(|race| live.race(class_id, race));
        let started_at = race.map(|race| race.order.0);
        Payload::Standings(Standings { class_id, race_id, started_at, racers, rows, gone })
    }

    /// Switches to another running race, or to none.
    fn reset(&mut self, update: &LiveUpdate<'_>) -> Message {
        let (race, rows) = self.running(update.live);
        self.race = race;
        self.reported = rows.iter().map(|(racer, row)| (*racer, row.name.is_some())).collect();
        self.names_version = self.newest_names(update.live);
        self.changed.clear();
        self.snapshot_of(update, race, &rows)
    }
}

impl ChangeTracker for StandingsTracker {
    fn observe(&mut self, update: &LiveUpdate<'_>) -> bool {
        let LiveUpdate { live, changed, .. } = update;
        if live.running_race(self.class) != self.race {
            return true;
        }
        let Some(race) = self.race else { return false };
        self.changed.extend(changed.rides.get(&(self.class, race)).into_iter().flatten());
        let newest = self.newest_names(live);
        if mem::replace(&mut self.names_version, newest) != newest {
            let nameless = self.reported.iter().filter(|(_, has_name)| !**has_name);
            self.changed.extend(nameless.map(|(racer, _)| racer));
        }
        !self.changed.is_empty()
    }

    fn take_changes(&mut self, update: &LiveUpdate<'_>) -> Option<(FrameKind, Message)> {
        let live = update.live;
        let running = live.running_race(self.class);
        if running != self.race {
            return Some((FrameKind::Reset, self.reset(update)));
        }
        let race = running?;
        let (mut rows, mut gone) = (Vec::new(), Vec::new());
        for racer in mem::take(&mut self.changed) {
            match live.standing((self.class, race, racer)) {
                Some(standing) => {
                    self.reported.insert(racer, standing.name.is_some());
                    rows.push(StandingsRow::new(racer, standing));
                }
                // Includes racers that joined and left since the last delta: a snapshot in between may
                // have reported them.
                None => {
                    self.reported.remove(&racer);
                    gone.push(racer);
                }
            }
        }
        if rows.is_empty() && gone.is_empty() {
            return None;
        }
        let payload = self.payload(live, running, self.reported.len(), rows, gone);
        Some((FrameKind::Delta, Message::delta(update.time, payload)))
    }

    fn snapshot(&self, update: &LiveUpdate<'_>) -> Message {
        let (race, rows) = self.running(update.live);
        self.snapshot_of(update, race, &rows)
    }
}
