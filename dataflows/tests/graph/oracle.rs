//! What a stream comes to, by CONTRACTS section 2, one event after the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use velodrome_dataflows::{Output, RETENTION_MS, Rules, Sample, Standing, Tracking};

use super::stream::{RULES, Tick};

/// How a running ride stands, and its best output at each second.
pub(crate) type Riding = (Standing, Vec<(u16, Output)>);

/// A ride's name, final, best, total and seconds.
pub(crate) type Row = (Option<String>, Option<u64>, u64, u64, u16);

/// What a stream comes to; outputs by their bits.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Expected {
    pub(crate) records: BTreeMap<(u16, u32, u16), u64>,
    /// By (class, race, racer).
    pub(crate) results: BTreeMap<(u16, u64, u32), Row>,
    /// By (class, racer): output, race and clock.
    pub(crate) leaderboard: BTreeMap<(u16, u32), (u64, u64, u64)>,
    /// By project: views and duration.
    pub(crate) views: BTreeMap<String, (u64, u64)>,
    /// Rides whose results a service has let go of, or is about to.
    pub(crate) aged: BTreeSet<(u16, u64, u32)>,
    /// Rides that a service has not told to be over.
    pub(crate) running: BTreeMap<(u16, u64, u32), Riding>,
    /// By racer.
    pub(crate) names: BTreeMap<u32, String>,
    pub(crate) late: u64,
}

#[derive(Default)]
struct Ride {
    began: u64,
    over_ms: u64,
    /// The time of the tick that it began in.
    tick: u64,
    outputs: BTreeMap<u16, f64>,
    finals: Vec<f64>,
    names: Vec<(u64, String)>,
}

impl Ride {
    /// Whether it was told of by `at`: rides end by whole seconds.
    fn is_over(&self, at: u64) -> bool {
        self.over_ms.next_multiple_of(1000).max(self.tick) <= at
    }

    /// Whether a service has forgotten it when the clock is at `clock`.
    fn is_forgotten(&self, clock: u64) -> bool {
        self.over_ms + RETENTION_MS < clock
    }
}

/// What a replay of all ticks comes to.
pub(crate) fn oracle(ticks: &[Tick]) -> Expected {
    until(ticks, &RULES, u64::MAX, false)
}

/// What a replay comes to as of time `at`, under `rules`.
pub(crate) fn as_of(ticks: &[Tick], rules: &Rules, at: u64) -> Expected {
    let before = |tick: &Tick| Tick {
        time: tick.time.min(at),
        samples: tick.samples.iter().filter(|(_, s)| s.clock <= at).cloned().collect(),
        tracking: tick.tracking.iter().filter(|(_, t)| t.clock <= at).cloned().collect(),
    };
    until(&ticks.iter().map(before).collect::<Vec<_>>(), rules, at, false)
}

/// What a service holds at time `at`.
pub(crate) fn service(ticks: &[Tick], at: u64) -> Expected {
    until(ticks, &RULES, at, true)
}

fn until(ticks: &[Tick], rules: &Rules, at: u64, forgets: bool) -> Expected {
    let mut expected = Expected::default();
    let mut records: BTreeMap<(u16, u32, u16), f64> = BTreeMap::new();
    let mut bests: BTreeMap<(u16, u32), (f64, u64, u64)> = BTreeMap::new();
    let mut rides: BTreeMap<(u16, u64, u32), Ride> = BTreeMap::new();
    let mut forgotten = Vec::new();
    let mut counted: HashMap<u128, u64> = HashMap::new();
    let mut names: BTreeMap<u32, (u64, String)> = BTreeMap::new();
    let mut named = |racer, name: Option<&(u64, String)>| {
        let Some(name) = name else { return };
        let last = names.entry(racer).or_insert_with(|| name.clone());
        *last = last.clone().max(name.clone());
    };
    let mut reached = |class, racer, second, output: f64| {
        let record = records.entry((class, racer, second)).or_insert(output);
        *record = record.max(output);
    };
    for tick in ticks.iter().filter(|tick| tick.time <= at) {
        for (_, sample) in &tick.samples {
            if rules.excluded_racers.contains(&sample.racer) || sample.second > rules.race_seconds {
                continue;
            }
            let resistance = sample.resistance + rules.resistance_offset;
            let output = ((sample.cadence + 35.0) * resistance) / 100.0;
            let name = sample.name.as_ref().map(|name| (sample.device_ms, name.to_string()));
            if sample.is_final {
                let new = (output, sample.race, sample.clock);
                let best = bests.entry((sample.class, sample.racer)).or_insert(new);
                if output > best.0 || (output == best.0 && sample.race < best.1) {
                    *best = new;
                }
                named(sample.racer, name.as_ref());
            }
            let key = (sample.class, sample.race, sample.racer);
            if forgets && rides.get(&key).is_some_and(|ride| ride.is_forgotten(sample.clock)) {
                forgotten.extend(rides.remove(&key).map(|ride| (key, ride)));
            }
            if is_late(&mut rides, rules, sample, output, tick.time) {
                expected.late += 1;
                reached(sample.class, sample.racer, sample.second, output);
                named(sample.racer, name.as_ref());
            }
        }
        for (_, event) in &tick.tracking {
            if is_new(&mut counted, event) {
                let count = expected.views.entry(event.project.to_string()).or_default();
                count.0 += u64::from(event.is_view);
                count.1 += u64::from(event.duration_ms);
            }
        }
    }
    let running = rides.extract_if(.., |_, ride| !ride.is_over(at));
    expected.running = running.map(|(key, ride)| (key, standing(ride))).collect();
    for ((class, _, racer), ride) in
        rides.iter().map(|(k, r)| (*k, r)).chain(forgotten.iter().map(|(k, r)| (*k, r)))
    {
        ride.outputs.iter().for_each(|(second, output)| reached(class, racer, *second, *output));
        named(racer, ride.names.iter().max());
    }
    if forgets {
        expected.aged =
            rides.extract_if(.., |_, ride| ride.is_forgotten(at)).map(|r| r.0).collect();
    }
    expected.names = names.into_iter().map(|(racer, (_, name))| (racer, name)).collect();
    expected.records = records.into_iter().map(|(key, output)| (key, output.to_bits())).collect();
    expected.leaderboard =
        bests.into_iter().map(|(key, best)| (key, (best.0.to_bits(), best.1, best.2))).collect();
    expected.results = rides.into_iter().map(|(key, ride)| (key, result(ride))).collect();
    expected
}

/// Adds the sample to its ride, or tells that it came more than an hour after it.
fn is_late(
    rides: &mut BTreeMap<(u16, u64, u32), Ride>,
    rules: &Rules,
    sample: &Sample,
    output: f64,
    tick: u64,
) -> bool {
    let left = u64::from(rules.race_seconds - sample.second + rules.grace_seconds) * 1000;
    let ride = rides.entry((sample.class, sample.race, sample.racer)).or_insert(Ride {
        began: sample.clock,
        over_ms: sample.clock + left,
        tick,
        ..Ride::default()
    });
    if sample.clock > ride.over_ms + 3_600_000 {
        return true;
    }
    let best = ride.outputs.entry(sample.second).or_insert(output);
    *best = best.max(output);
    ride.finals.extend(sample.is_final.then_some(output));
    ride.names.extend(sample.name.as_ref().map(|name| (sample.device_ms, name.to_string())));
    false
}

fn standing(ride: Ride) -> Riding {
    let (&second, &output) = ride.outputs.last_key_value().unwrap();
    let name = ride.names.into_iter().max().map(|(_, name)| name.into());
    let outputs = ride.outputs.into_iter().map(|(second, output)| (second, Output(output)));
    let standing = Standing { second, output: Output(output), name, began: ride.began };
    (standing, outputs.collect())
}

fn result(ride: Ride) -> Row {
    let name = ride.names.into_iter().max().map(|(_, name)| name);
    let last = ride.finals.into_iter().reduce(f64::max).map(f64::to_bits);
    let best = ride.outputs.values().copied().fold(f64::NEG_INFINITY, f64::max).to_bits();
    let total: f64 = ride.outputs.values().sum();
    (name, last, best, total.to_bits(), ride.outputs.len() as u16)
}

/// Whether the uuid was not counted on this day or one of the seven before.
fn is_new(counted: &mut HashMap<u128, u64>, event: &Tracking) -> bool {
    let day = event.clock / 86_400_000;
    let is_new = counted.get(&event.uuid).is_none_or(|before| day - before > 7);
    if is_new {
        counted.insert(event.uuid, day);
    }
    is_new
}
