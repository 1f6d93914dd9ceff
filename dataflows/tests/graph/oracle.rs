//! The oracle: computes the state by its definition, one event at a time, without dataflow.

use std::collections::{BTreeMap, HashMap};
use std::mem;

use velodrome_dataflows::{Output, RETENTION_MS, Rules, Sample, Standing, Tracking};

use super::outcome::{Outcome, ResultRow, Running};
use super::stream::{RULES, Tick};

/// The state after a replay of all ticks.
pub(crate) fn oracle(ticks: &[Tick]) -> Outcome {
    until(ticks, &RULES, u64::MAX, false)
}

/// The state of a replay as of time `at`, under `rules`.
pub(crate) fn as_of(ticks: &[Tick], rules: &Rules, at: u64) -> Outcome {
    let before = |tick: &Tick| Tick {
        time: tick.time.min(at),
        samples: tick.samples.iter().filter(|(_, s)| s.clock <= at).cloned().collect(),
        tracking: tick.tracking.iter().filter(|(_, t)| t.clock <= at).cloned().collect(),
    };
    until(&ticks.iter().map(before).collect::<Vec<_>>(), rules, at, false)
}

/// The state of a service at time `at`.
pub(crate) fn service(ticks: &[Tick], at: u64) -> Outcome {
    until(ticks, &RULES, at, true)
}

fn until(ticks: &[Tick], rules: &Rules, at: u64, expires: bool) -> Outcome {
    let mut oracle = Oracle { expires, ..Oracle::default() };
    for tick in ticks.iter().filter(|tick| tick.time <= at) {
        for (_, sample) in &tick.samples {
            let is_excluded = rules.excluded_racers.contains(&sample.racer);
            if !is_excluded && sample.second <= rules.race_seconds {
                oracle.add(sample, rules, tick.time);
            }
        }
        for (_, event) in &tick.tracking {
            oracle.count(event);
        }
    }
    oracle.finish(at)
}

#[derive(Default)]
struct Ride {
    started_at: u64,
    closes_at: u64,
    /// The time of the tick that it started in.
    tick: u64,
    outputs: BTreeMap<u16, f64>,
    finals: Vec<f64>,
    names: Vec<(u64, String)>,
}

impl Ride {
    /// Whether it has closed by `at`. Rides close at whole seconds.
    fn has_closed(&self, at: u64) -> bool {
        self.closes_at.next_multiple_of(1000).max(self.tick) <= at
    }

    /// Whether a service has removed its result when the clock is at `clock`.
    fn has_expired(&self, clock: u64) -> bool {
        self.closes_at + RETENTION_MS < clock
    }
}

type RideKey = (u16, u64, u32);

/// The state so far.
#[derive(Default)]
struct Oracle {
    /// Whether rides expire, as in a service.
    expires: bool,
    records: BTreeMap<(u16, u32, u16), f64>,
    leaderboard: BTreeMap<(u16, u32), (f64, u64, u64)>,
    rides: BTreeMap<RideKey, Ride>,
    /// Rides that a later event of the same key has replaced after their retention.
    expired: Vec<(RideKey, Ride)>,
    names: BTreeMap<(u16, u32), (u64, String)>,
    /// The day on which each uuid was counted.
    counted: HashMap<u128, u64>,
    views: BTreeMap<String, (u64, u64)>,
    late: u64,
}

impl Oracle {
    /// Adds a sample that counts, of the tick at time `tick`.
    fn add(&mut self, sample: &Sample, rules: &Rules, tick: u64) {
        let resistance = sample.resistance + rules.resistance_offset;
        let output = ((sample.cadence + 35.0) * resistance) / 100.0;
        let name = name_of(sample);
        if sample.is_final {
            let new = (output, sample.race, sample.clock);
            let best = self.leaderboard.entry((sample.class, sample.racer)).or_insert(new);
            if output > best.0 || (output == best.0 && sample.race < best.1) {
                *best = new;
            }
            self.name((sample.class, sample.racer), name.as_ref());
        }
        let key = (sample.class, sample.race, sample.racer);
        if self.expires && self.rides.get(&key).is_some_and(|ride| ride.has_expired(sample.clock)) {
            self.expired.extend(self.rides.remove(&key).map(|ride| (key, ride)));
        }
        if !self.add_to_ride(sample, rules, output, tick) {
            self.late += 1;
            self.reach(sample.class, sample.racer, sample.second, output);
            self.name((sample.class, sample.racer), name.as_ref());
        }
    }

    /// Adds a sample to its ride, or returns `false` if it is after the ride's repair window of an hour.
    fn add_to_ride(&mut self, sample: &Sample, rules: &Rules, output: f64, tick: u64) -> bool {
        let left = u64::from(rules.race_seconds - sample.second + rules.grace_seconds) * 1000;
        let ride = self.rides.entry((sample.class, sample.race, sample.racer)).or_insert(Ride {
            started_at: sample.clock,
            closes_at: sample.clock + left,
            tick,
            ..Ride::default()
        });
        if sample.clock > ride.closes_at + 3_600_000 {
            return false;
        }
        let best = ride.outputs.entry(sample.second).or_insert(output);
        *best = best.max(output);
        ride.finals.extend(sample.is_final.then_some(output));
        ride.names.extend(name_of(sample));
        true
    }

    /// Counts an event, unless its uuid was counted on the same day or one of the seven before.
    fn count(&mut self, event: &Tracking) {
        let day = event.clock / 86_400_000;
        if self.counted.get(&event.uuid).is_none_or(|before| day - before > 7) {
            self.counted.insert(event.uuid, day);
            let count = self.views.entry(event.project.to_string()).or_default();
            count.0 += u64::from(event.is_view);
            count.1 += u64::from(event.duration_ms);
        }
    }

    fn name(&mut self, racer: (u16, u32), name: Option<&(u64, String)>) {
        let Some(name) = name else { return };
        let last = self.names.entry(racer).or_insert_with(|| name.clone());
        *last = last.clone().max(name.clone());
    }

    fn reach(&mut self, class: u16, racer: u32, second: u16, output: f64) {
        let record = self.records.entry((class, racer, second)).or_insert(output);
        *record = record.max(output);
    }

    /// The state at time `at`, after all events up to it.
    fn finish(mut self, at: u64) -> Outcome {
        let mut outcome = Outcome { late: self.late, ..Outcome::default() };
        let running = self.rides.extract_if(.., |_, ride| !ride.has_closed(at));
        outcome.running = running.map(|(key, ride)| (key, running_row(ride))).collect();
        let rides = mem::take(&mut self.rides);
        let expired = mem::take(&mut self.expired);
        for ((class, _, racer), ride) in rides.iter().chain(expired.iter().map(|(k, r)| (k, r))) {
            for (second, output) in &ride.outputs {
                self.reach(*class, *racer, *second, *output);
            }
            self.name((*class, *racer), ride.names.iter().max());
        }
        for (key, ride) in rides {
            if self.expires && ride.has_expired(at) {
                outcome.expired.insert(key);
            } else {
                outcome.results.insert(key, result_row(ride));
            }
        }
        outcome.views = self.views;
        outcome.names = self.names.into_iter().map(|(racer, (_, name))| (racer, name)).collect();
        let records = self.records.into_iter();
        outcome.records = records.map(|(key, output)| (key, output.to_bits())).collect();
        let bests = self.leaderboard.into_iter();
        outcome.leaderboard =
            bests.map(|(key, best)| (key, (best.0.to_bits(), best.1, best.2))).collect();
        outcome
    }
}

/// The name of a sample, with the time that orders names: a device that is more than 10 minutes ahead does not count.
fn name_of(sample: &Sample) -> Option<(u64, String)> {
    let is_ahead = sample.device_ms > sample.clock + 600_000;
    let at = if is_ahead { sample.clock } else { sample.device_ms };
    sample.name.as_ref().map(|name| (at, name.to_string()))
}

fn running_row(ride: Ride) -> Running {
    let (&second, &output) = ride.outputs.last_key_value().unwrap();
    let name = ride.names.into_iter().max().map(|(_, name)| name.into());
    let outputs = ride.outputs.into_iter().map(|(second, output)| (second, Output(output)));
    let standing = Standing { second, output: Output(output), name, started_at: ride.started_at };
    (standing, outputs.collect())
}

fn result_row(ride: Ride) -> ResultRow {
    let name = ride.names.into_iter().max().map(|(_, name)| name);
    let last = ride.finals.into_iter().reduce(f64::max).map(f64::to_bits);
    let best = ride.outputs.values().copied().fold(f64::NEG_INFINITY, f64::max).to_bits();
    let total: f64 = ride.outputs.values().sum();
    (name, last, best, total.to_bits(), ride.outputs.len() as u16)
}
