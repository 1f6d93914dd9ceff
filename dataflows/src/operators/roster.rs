//! The roster: all rides of one worker, from their first sample until they expire.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};

use super::ride::Ride;
use crate::values::{
    Ban, BestFinal, CLOSE_STEP_MS, Change, Curve, EventTime, Mode, Name, Output, REPAIR_WINDOW_MS,
    RETENTION_MS, RacerId, RetiredRide, RideKey, Rules, SavedRide, ScoredSample, Stage,
};

/// Rides that are closed, retired or expired together, because each of them causes changes.
pub(super) const RIDES_TOGETHER_MAX: usize = 4_096;

/// All rides of one worker.
///
/// Its methods append the changes that they cause to `changes`.
pub(super) struct Roster {
    rules: Rules,
    mode: Mode,
    rides: HashMap<RideKey, RideState>,
    /// Rides started by the most recent [`Self::add_samples`], each with the clock at which it closes.
    pub(super) started: Vec<(EventTime, RideKey)>,
    /// Finished rides within their repair window, by the clock at which they closed.
    finished: BTreeMap<EventTime, Vec<RideKey>>,
    /// In a service, retired rides by the clock at which they closed.
    retired: BTreeMap<EventTime, Vec<RideKey>>,
    /// Racers whose stages are not emitted.
    banned: HashSet<RacerId>,
}

/// The state of a ride in the roster.
enum RideState {
    /// Running, or finished and within its repair window.
    Active(Box<Ride>),
    /// After its repair window: samples that arrive now are late.
    Retired(Box<RetiredRide>),
}

impl Roster {
    pub(super) fn new(rules: Rules, mode: Mode) -> Self {
        Self {
            rules,
            mode,
            rides: HashMap::new(),
            started: Vec::new(),
            finished: BTreeMap::new(),
            retired: BTreeMap::new(),
            banned: HashSet::new(),
        }
    }

    /// Adds the samples of one time, which are in the order of their clocks.
    pub(super) fn add_samples(&mut self, samples: &[Vec<ScoredSample>], changes: &mut Vec<Change>) {
        let Some(first) = samples.iter().flatten().next() else { return };
        self.advance_to(first.clock, changes);
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
                emit_name(sample, changes);
            }
            if self.mode == Mode::Service && self.is_expired_at(&key, clock) {
                self.expire(key, changes);
            }
            let state = match self.rides.entry(key) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let closes_at = self.rules.closes_at(clock, sample.second);
                    self.started.push((closes_at, key));
                    let ride = Ride::new(clock, closes_at);
                    entry.insert(RideState::Active(Box::new(ride)))
                }
            };
            match state {
                RideState::Active(ride) if clock <= ride.closes_at + REPAIR_WINDOW_MS => {
                    if ride.add(sample) {
                        match ride.is_finished() {
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
                    emit_name(sample, changes);
                }
            }
        }
        self.emit_repaired(repaired, changes);
        if self.mode == Mode::Service {
            self.emit_moved(moved, changes);
        }
        if late > 0 {
            changes.push(Change::Late(late));
        }
    }

    /// Closes rides and emits their results.
    pub(super) fn close(&mut self, keys: Vec<RideKey>, changes: &mut Vec<Change>) {
        for key in keys {
            if let Some(RideState::Active(ride)) = self.rides.get(&key) {
                let at = ride.closes_at.next_multiple_of(CLOSE_STEP_MS);
                // Logical time can be later than the ride's clock, so compare with the ride's own
                // closing time.
                if matches!(self.mode, Mode::Replay { until } if until < at) {
                    continue;
                }
                self.finished.entry(at).or_default().push(key);
            }
            self.emit_result(key, changes);
            if self.mode == Mode::Service {
                self.emit_stage(key, changes);
            }
        }
    }

    /// Applies all changes of the ban list at one time.
    pub(super) fn apply_bans(&mut self, bans: &[Ban], changes: &mut Vec<Change>) {
        let mut turned: HashMap<RacerId, isize> = HashMap::new();
        for ban in bans {
            *turned.entry(ban.racer).or_default() += ban.diff();
            changes.push(Change::Ban(*ban));
        }
        // A ban and a lift at the same time cancel out, in either order.
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
            let stage = if *diff > 0 { Stage::Expired } else { state.stage() };
            changes.push(Change::Stage(*key, stage));
        }
    }

    /// Retires and expires rides, given that no further sample has a clock before `clock`. Returns false if
    /// there are more than one call may change; the others are only retained for a little longer.
    pub(super) fn advance_to(&mut self, clock: EventTime, changes: &mut Vec<Change>) -> bool {
        let mut left = match self.mode {
            Mode::Service => RIDES_TOGETHER_MAX,
            // A replay emits no changes here.
            Mode::Replay { .. } => usize::MAX,
        };
        while let Some((at, keys)) = take_due(&mut self.finished, clock, REPAIR_WINDOW_MS, left) {
            left -= keys.len();
            for key in &keys {
                let Some(RideState::Active(ride)) = self.rides.get(key) else { continue };
                let Some(retired) = ride.to_retired() else { continue };
                if self.mode == Mode::Service {
                    changes.push(Change::Saved(*key, SavedRide::Retired(retired.clone())));
                }
                self.rides.insert(*key, RideState::Retired(Box::new(retired)));
            }
            if self.mode == Mode::Service {
                self.retired.entry(at).or_default().extend(keys);
            }
        }
        while let Some((_, keys)) = take_due(&mut self.retired, clock, RETENTION_MS, left) {
            left -= keys.len();
            for key in keys {
                if self.is_expired_at(&key, clock) {
                    self.expire(key, changes);
                }
            }
        }
        left > 0
    }

    /// Restores a saved change. A ride enters the roster, and its result and stage are emitted. All
    /// other changes are emitted unchanged.
    pub(super) fn restore(&mut self, saved: Change, changes: &mut Vec<Change>) {
        let Change::Saved(key, ride) = saved else { return changes.push(saved) };
        let (state, result) = match ride {
            SavedRide::Finished(ride) => {
                let at = ride.closes_at.next_multiple_of(CLOSE_STEP_MS);
                self.finished.entry(at).or_default().push(key);
                let (ride, result) = Ride::from_finished(ride);
                (RideState::Active(Box::new(ride)), result)
            }
            SavedRide::Retired(ride) => {
                let result = Arc::clone(&ride.result);
                let at = ride.closes_at.next_multiple_of(CLOSE_STEP_MS);
                self.retired.entry(at).or_default().push(key);
                (RideState::Retired(Box::new(ride)), result)
            }
            SavedRide::Expired => return,
        };
        self.rides.insert(key, state);
        let (class, race, racer) = key;
        changes.push(Change::Result((class, race), (racer, result), 1));
        self.emit_stage(key, changes);
    }

    /// Emits the result of each repaired ride once.
    fn emit_repaired(&mut self, mut repaired: Vec<RideKey>, changes: &mut Vec<Change>) {
        repaired.sort_unstable();
        repaired.dedup();
        for key in repaired {
            self.emit_result(key, changes);
        }
    }

    /// Emits the stage of each running ride in `moved` once, with all its changed seconds.
    fn emit_moved(&self, mut moved: Vec<(RideKey, u16)>, changes: &mut Vec<Change>) {
        moved.sort_unstable();
        moved.dedup();
        for seconds in moved.chunk_by(|(one, _), (next, _)| one == next) {
            let Some((key @ (_, _, racer), _)) = seconds.first() else { continue };
            let Some(RideState::Active(ride)) = self.rides.get(key) else { continue };
            if !self.banned.contains(racer) {
                let output = |(_, second): &(RideKey, u16)| Some((*second, ride.output(*second)?));
                let outputs = seconds.iter().filter_map(output).collect();
                changes.push(Change::Stage(*key, Stage::Running(ride.standing(), outputs)));
            }
        }
    }

    /// Emits the stage of a ride, unless its racer is banned.
    fn emit_stage(&self, key: RideKey, changes: &mut Vec<Change>) {
        let (_, _, racer) = key;
        if let Some(state) = self.rides.get(&key).filter(|_| !self.banned.contains(&racer)) {
            changes.push(Change::Stage(key, state.stage()));
        }
    }

    /// Emits the record and result of a finished ride, and retracts its previous result.
    fn emit_result(&mut self, key: RideKey, changes: &mut Vec<Change>) {
        let Some(RideState::Active(ride)) = self.rides.get_mut(&key) else { return };
        let (class, race, racer) = key;
        let (record, previous, result) = ride.finish();
        changes.push(Change::Record((class, racer), record));
        changes.extend(ride.name().map(|name| Change::Name((class, racer), name.clone())));
        if previous.as_ref() != Some(&result) {
            if let Some(previous) = previous {
                changes.push(Change::Result((class, race), (racer, previous), -1));
            }
            changes.push(Change::Result((class, race), (racer, result), 1));
        }
        if self.mode == Mode::Service {
            let saved = ride.to_finished().map(SavedRide::Finished);
            changes.extend(saved.map(|saved| Change::Saved(key, saved)));
        }
    }

    /// Whether the retention of a retired ride is over at `clock`.
    fn is_expired_at(&self, key: &RideKey, clock: EventTime) -> bool {
        let state = self.rides.get(key);
        matches!(state, Some(RideState::Retired(ride)) if ride.closes_at + RETENTION_MS < clock)
    }

    /// Removes a retired ride and retracts its result.
    fn expire(&mut self, key: RideKey, changes: &mut Vec<Change>) {
        let Some(RideState::Retired(ride)) = self.rides.remove(&key) else { return };
        let (class, race, racer) = key;
        changes.push(Change::Result((class, race), (racer, ride.result), -1));
        if !self.banned.contains(&racer) {
            changes.push(Change::Stage(key, Stage::Expired));
        }
        changes.push(Change::Saved(key, SavedRide::Expired));
    }
}

impl RideState {
    fn stage(&self) -> Stage {
        match self {
            Self::Active(ride) if ride.is_finished() => {
                Stage::Finished { started_at: ride.started_at }
            }
            Self::Active(ride) => Stage::Running(ride.standing(), ride.outputs()),
            Self::Retired(ride) => Stage::Finished { started_at: ride.started_at },
        }
    }
}

/// Removes up to `max` rides of the first group in `by_close`, if it closed more than `window` before
/// `clock`. Returns them with the time at which they closed.
fn take_due(
    by_close: &mut BTreeMap<EventTime, Vec<RideKey>>,
    clock: EventTime,
    window: u64,
    max: usize,
) -> Option<(EventTime, Vec<RideKey>)> {
    let mut first = by_close.first_entry()?;
    let at = *first.key();
    if max == 0 || at + window >= clock {
        return None;
    }
    let keys = first.get_mut();
    match keys.len().checked_sub(max).filter(|rest| *rest > 0) {
        Some(rest) => Some((at, keys.split_off(rest))),
        None => Some((at, first.remove())),
    }
}

/// Emits the name of a sample, if it carries one.
fn emit_name(sample: &ScoredSample, changes: &mut Vec<Change>) {
    if let Some(text) = &sample.name {
        let name = Name { at: sample.name_at, text: text.clone() };
        changes.push(Change::Name((sample.class, sample.racer), name));
    }
}
