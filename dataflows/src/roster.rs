//! The roster: all rides of one worker, from their first sample until they are forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};

use crate::bans::Ban;
use crate::change::{Change, Kept, RetiredRide, RideKey, Stage};
use crate::curve::Curve;
use crate::event::{Clock, RacerId};
use crate::leaderboard::BestFinal;
use crate::names::Name;
use crate::output::{Output, Scored};
use crate::ride::{REPAIR_MS, Ride};
use crate::rules::Rules;

/// Rides end in groups of one second, so that few capabilities are held.
pub(crate) const DUE_STEP_MS: u64 = 1000;

/// How long an endless service keeps a result after its ride was over: 7 days.
pub const RETENTION_MS: u64 = 7 * 86_400_000;

/// Whether results are kept for ever, or a service runs that must forget, and tells of each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A run over given events: all results stay, and rides are told of that are over when the event clock is
    /// at `until`; they end by whole seconds. What comes of a time beyond it must be left out.
    Replay {
        /// The last time that counts; the greatest where all rides are to be told of.
        until: Clock,
    },
    /// An endless one: results leave [`RETENTION_MS`] after their ride was over, an event of the ride
    /// that comes later begins it anew; stages and what a checkpoint keeps are told.
    Service,
}

/// All rides of one worker.
pub(crate) struct Roster {
    rules: Rules,
    mode: Mode,
    rides: HashMap<RideKey, State>,
    /// Rides that began in the samples last taken, with the clock at which they are over.
    pub(crate) begun: Vec<(Clock, RideKey)>,
    /// Rides that are over and can be repaired, by the clock at which they were over.
    over: BTreeMap<Clock, Vec<RideKey>>,
    /// In a service, rides that are retired, by the clock at which they were over.
    retired: BTreeMap<Clock, Vec<RideKey>>,
    /// Racers of whom no stage is told.
    banned: HashSet<RacerId>,
}

/// What is known of a ride.
enum State {
    /// Running, or over and still repaired.
    Open(Box<Ride>),
    /// Over for more than an hour: what comes now is late.
    Retired(Box<RetiredRide>),
}

impl Roster {
    pub(crate) fn new(rules: Rules, mode: Mode) -> Self {
        Self {
            rules,
            mode,
            rides: HashMap::new(),
            begun: Vec::new(),
            over: BTreeMap::new(),
            retired: BTreeMap::new(),
            banned: HashSet::new(),
        }
    }

    /// Takes the samples of one time, in the order of their clocks.
    pub(crate) fn take(&mut self, samples: &[Vec<Scored>], changes: &mut Vec<Change>) {
        let Some(first) = samples.iter().flatten().next() else { return };
        self.age(first.clock, changes);
        let (mut repaired, mut moved) = (Vec::new(), Vec::new());
        let mut late = 0;
        for sample in samples.iter().flatten() {
            let key = (sample.class, sample.race, sample.racer);
            let by_racer = (sample.class, sample.racer);
            let clock = sample.clock;
            if sample.is_final {
                let output = Output(sample.output);
                let best = BestFinal { output, race: sample.race, at: clock };
                changes.push(Change::Final(by_racer, best));
                tell_name(sample, changes);
            }
            if self.mode == Mode::Service && self.is_forgotten_at(&key, clock) {
                self.forget(key, changes);
            }
            let state = match self.rides.entry(key) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let due = self.rules.due(clock, sample.second);
                    self.begun.push((due, key));
                    let ride = Ride::new(clock, due, self.rules.race_seconds);
                    entry.insert(State::Open(Box::new(ride)))
                }
            };
            match state {
                State::Open(ride) if clock <= ride.due + REPAIR_MS => {
                    if ride.add(sample) {
                        match ride.is_told() {
                            false => moved.push((key, sample.second)),
                            true if repaired.last() != Some(&key) => repaired.push(key),
                            true => {}
                        }
                    }
                }
                _ => {
                    late += 1;
                    let mut curve = Curve::default();
                    curve.raise(sample.second, sample.output);
                    changes.push(Change::Record(by_racer, curve.into()));
                    tell_name(sample, changes);
                }
            }
        }
        repaired.sort_unstable();
        repaired.dedup();
        for key in repaired {
            self.tell(key, changes);
        }
        if self.mode == Mode::Service {
            moved.sort_unstable();
            moved.dedup();
            for seconds in moved.chunk_by(|(one, _), (next, _)| one == next) {
                self.tell_moved(seconds, changes);
            }
        }
        if late > 0 {
            changes.push(Change::Late(late));
        }
    }

    /// Tells of rides that are over.
    pub(crate) fn close(&mut self, keys: Vec<RideKey>, changes: &mut Vec<Change>) {
        for key in keys {
            if let Some(State::Open(ride)) = self.rides.get(&key) {
                let at = ride.due.next_multiple_of(DUE_STEP_MS);
                // Logical time may run ahead of the clocks in it: what counts is the ride's own end.
                if matches!(self.mode, Mode::Replay { until } if until < at) {
                    continue;
                }
                self.over.entry(at).or_default().push(key);
            }
            self.tell(key, changes);
            if self.mode == Mode::Service {
                self.tell_stage(key, changes);
            }
        }
    }

    /// Tells where a ride stands that came to other outputs at these seconds.
    fn tell_moved(&self, seconds: &[(RideKey, u16)], changes: &mut Vec<Change>) {
        let Some((key @ (_, _, racer), _)) = seconds.first() else { return };
        let Some(State::Open(ride)) = self.rides.get(key) else { return };
        if !self.banned.contains(racer) {
            let output = |(_, second): &(RideKey, u16)| Some((*second, ride.output(*second)?));
            let moved = seconds.iter().filter_map(output).collect();
            changes.push(Change::Stage(*key, Stage::Running(ride.standing(), moved)));
        }
    }

    /// Tells where a ride stands, but for those of racers who are banned.
    fn tell_stage(&self, key: RideKey, changes: &mut Vec<Change>) {
        let (_, _, racer) = key;
        if let Some(state) = self.rides.get(&key).filter(|_| !self.banned.contains(&racer)) {
            changes.push(Change::Stage(key, state.stage()));
        }
    }

    /// Takes who is banned and who no longer is, all that change at one time.
    pub(crate) fn ban(&mut self, bans: &[Ban], changes: &mut Vec<Change>) {
        let mut turned: HashMap<RacerId, isize> = HashMap::new();
        for ban in bans {
            *turned.entry(ban.racer).or_default() += ban.diff();
            changes.push(Change::Ban(*ban));
        }
        // Who was banned and is no longer, or the other way round, at one time: nothing.
        turned.retain(|_, diff| *diff != 0);
        for (racer, diff) in &turned {
            if *diff > 0 {
                self.banned.insert(*racer);
            } else {
                self.banned.remove(racer);
            }
        }
        for (key, state) in &self.rides {
            let (_, _, racer) = key;
            let Some(diff) = turned.get(racer) else { continue };
            let stage = if *diff > 0 { Stage::Forgotten } else { state.stage() };
            changes.push(Change::Stage(*key, stage));
        }
    }

    /// Tells what a ride that is over comes to, in place of what was told of it before.
    fn tell(&mut self, key: RideKey, changes: &mut Vec<Change>) {
        let Some(State::Open(ride)) = self.rides.get_mut(&key) else { return };
        let (class, race, racer) = key;
        let (record, before, result) = ride.tell();
        changes.push(Change::Record((class, racer), record));
        changes.extend(ride.name().map(|name| Change::Name(racer, name.clone())));
        if before.as_ref() != Some(&result) {
            if let Some(before) = before {
                changes.push(Change::Result((class, race), (racer, before), -1));
            }
            changes.push(Change::Result((class, race), (racer, result), 1));
        }
        if self.mode == Mode::Service {
            changes.extend(ride.over().map(|over| Change::Kept(key, Kept::Over(over))));
        }
    }

    /// Lets go of what time has passed over, now that no sample's clock is before `clock` any more.
    pub(crate) fn age(&mut self, clock: Clock, changes: &mut Vec<Change>) {
        while let Some(entry) = self.over.first_entry()
            && entry.key() + REPAIR_MS < clock
        {
            let (at, keys) = entry.remove_entry();
            for key in &keys {
                let Some(State::Open(ride)) = self.rides.get(key) else { continue };
                let Some(retired) = ride.retired() else { continue };
                if self.mode == Mode::Service {
                    changes.push(Change::Kept(*key, Kept::Retired(retired.clone())));
                }
                self.rides.insert(*key, State::Retired(Box::new(retired)));
            }
            if self.mode == Mode::Service {
                self.retired.entry(at).or_default().extend(keys);
            }
        }
        while let Some(entry) = self.retired.first_entry()
            && entry.key() + RETENTION_MS < clock
        {
            for key in entry.remove() {
                if self.is_forgotten_at(&key, clock) {
                    self.forget(key, changes);
                }
            }
        }
    }

    /// Whether nothing is to be known any more of the ride at `clock`.
    fn is_forgotten_at(&self, key: &RideKey, clock: Clock) -> bool {
        matches!(self.rides.get(key), Some(State::Retired(ride)) if ride.due + RETENTION_MS < clock)
    }

    /// Takes back the result of a retired ride.
    fn forget(&mut self, key: RideKey, changes: &mut Vec<Change>) {
        let Some(State::Retired(ride)) = self.rides.remove(&key) else { return };
        let (class, race, racer) = key;
        changes.push(Change::Result((class, race), (racer, ride.result), -1));
        if !self.banned.contains(&racer) {
            changes.push(Change::Stage(key, Stage::Forgotten));
        }
        changes.push(Change::Kept(key, Kept::Forgotten));
    }

    /// Takes back what a checkpoint kept: rides into the roster, with what they tell; all else is told
    /// as it is.
    pub(crate) fn restore(&mut self, kept: Change, changes: &mut Vec<Change>) {
        let Change::Kept(key, ride) = kept else { return changes.push(kept) };
        let (state, result) = match ride {
            Kept::Over(over) => {
                let at = over.due.next_multiple_of(DUE_STEP_MS);
                self.over.entry(at).or_default().push(key);
                let (ride, result) = Ride::restored(over);
                (State::Open(Box::new(ride)), result)
            }
            Kept::Retired(ride) => {
                let result = Arc::clone(&ride.result);
                let at = ride.due.next_multiple_of(DUE_STEP_MS);
                self.retired.entry(at).or_default().push(key);
                (State::Retired(Box::new(ride)), result)
            }
            Kept::Forgotten => return,
        };
        self.rides.insert(key, state);
        let (class, race, racer) = key;
        changes.push(Change::Result((class, race), (racer, result), 1));
        self.tell_stage(key, changes);
    }
}

impl State {
    /// Where the ride stands.
    fn stage(&self) -> Stage {
        match self {
            Self::Open(ride) if ride.is_told() => Stage::Over { began: ride.began },
            Self::Open(ride) => Stage::Running(ride.standing(), ride.outputs()),
            Self::Retired(ride) => Stage::Over { began: ride.began },
        }
    }
}

fn tell_name(sample: &Scored, changes: &mut Vec<Change>) {
    if let Some(text) = &sample.name {
        let name = Name { device_ms: sample.device_ms, text: text.clone() };
        changes.push(Change::Name(sample.racer, name));
    }
}
