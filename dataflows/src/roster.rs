//! The roster: all rides of one worker, from their first sample until they are only known as over.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::curve::Curve;
use crate::event::{ClassId, Clock, RaceId, RacerId};
use crate::leaderboard::BestFinal;
use crate::output::{Output, Rules, Scored};
use crate::ride::{REPAIR_MS, Ride};
use crate::rides::Change;

pub(crate) type RideKey = (ClassId, RaceId, RacerId);

/// Rides end in groups of one second, so that few capabilities are held.
pub(crate) const DUE_STEP_MS: u64 = 1000;

/// All rides of one worker.
pub(crate) struct Roster {
    rules: Rules,
    rides: HashMap<RideKey, State>,
    /// Rides that began in the samples last taken, with the clock at which they are over.
    pub(crate) begun: Vec<(Clock, RideKey)>,
    /// Rides that are over and can be repaired, by the clock at which they were over.
    over: BTreeMap<Clock, Vec<RideKey>>,
}

/// What is known of a ride.
enum State {
    /// Running, or over and still repaired.
    Open(Box<Ride>),
    /// Over for more than an hour: what comes now is late.
    Retired,
}

impl Roster {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, rides: HashMap::new(), begun: Vec::new(), over: BTreeMap::new() }
    }

    /// Takes the samples of one time, in the order of their clocks.
    pub(crate) fn take(&mut self, samples: &[Vec<Scored>], changes: &mut Vec<Change>) {
        let (mut repaired, mut late, mut clock) = (Vec::new(), 0, 0);
        for sample in samples.iter().flatten() {
            let key = (sample.class, sample.race, sample.racer);
            let by_racer = (sample.class, sample.racer);
            clock = sample.clock;
            if sample.is_final {
                let best = BestFinal { output: Output(sample.output), race: sample.race };
                changes.push(Change::Final(by_racer, best));
            }
            let state = match self.rides.entry(key) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let due = self.rules.due(clock, sample.second);
                    self.begun.push((due, key));
                    entry.insert(State::Open(Box::new(Ride::new(due, self.rules.race_seconds))))
                }
            };
            match state {
                State::Open(ride) if clock <= ride.due + REPAIR_MS => {
                    if ride.add(sample) && ride.is_told() && repaired.last() != Some(&key) {
                        repaired.push(key);
                    }
                }
                _ => {
                    late += 1;
                    let mut curve = Curve::default();
                    curve.raise(sample.second, sample.output);
                    changes.push(Change::Record(by_racer, curve.into()));
                }
            }
        }
        repaired.sort_unstable();
        repaired.dedup();
        for key in repaired {
            self.tell(key, changes);
        }
        if late > 0 {
            changes.push(Change::Late(late));
        }
        self.retire(clock);
    }

    /// Tells of rides that are over.
    pub(crate) fn close(&mut self, keys: Vec<RideKey>, changes: &mut Vec<Change>) {
        for key in keys {
            self.tell(key, changes);
            if let Some(State::Open(ride)) = self.rides.get(&key) {
                let at = ride.due.next_multiple_of(DUE_STEP_MS);
                self.over.entry(at).or_default().push(key);
            }
        }
    }

    /// Tells what a ride that is over comes to, in place of what was told of it before.
    fn tell(&mut self, key: RideKey, changes: &mut Vec<Change>) {
        let Some(State::Open(ride)) = self.rides.get_mut(&key) else { return };
        let (class, race, racer) = key;
        let (record, before, result) = ride.tell();
        changes.push(Change::Record((class, racer), record));
        if before.as_ref() != Some(&result) {
            if let Some(before) = before {
                changes.push(Change::Result((class, race), (racer, before), -1));
            }
            changes.push(Change::Result((class, race), (racer, result), 1));
        }
    }

    /// Lets go of rides that no sample can repair any more, now that the clock is at `clock`.
    fn retire(&mut self, clock: Clock) {
        while let Some(entry) = self.over.first_entry()
            && entry.key() + REPAIR_MS < clock
        {
            for key in entry.remove() {
                self.rides.insert(key, State::Retired);
            }
        }
    }
}
