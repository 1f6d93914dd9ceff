//! What a stream comes to, by CONTRACTS section 2, one event after the other.

use std::collections::{BTreeMap, HashMap};

use velodrome_dataflows::{Sample, Tracking};

use super::stream::{RULES, Tick};

/// A ride's name, final, best, total and seconds.
pub(crate) type Row = (Option<String>, Option<u64>, u64, u64, u16);

/// What a stream comes to; outputs by their bits.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Expected {
    pub(crate) records: BTreeMap<(u16, u32, u16), u64>,
    /// By (class, race, racer).
    pub(crate) results: BTreeMap<(u16, u64, u32), Row>,
    /// By (class, racer): output and race.
    pub(crate) leaderboard: BTreeMap<(u16, u32), (u64, u64)>,
    /// By project: views and duration.
    pub(crate) views: BTreeMap<String, (u64, u64)>,
    pub(crate) late: u64,
}

#[derive(Default)]
struct Ride {
    over_ms: u64,
    outputs: BTreeMap<u16, f64>,
    finals: Vec<f64>,
    names: Vec<(u64, String)>,
}

pub(crate) fn oracle(ticks: &[Tick]) -> Expected {
    let mut expected = Expected::default();
    let mut records: BTreeMap<(u16, u32, u16), f64> = BTreeMap::new();
    let mut bests: BTreeMap<(u16, u32), (f64, u64)> = BTreeMap::new();
    let mut rides: BTreeMap<(u16, u64, u32), Ride> = BTreeMap::new();
    let mut counted: HashMap<u128, u64> = HashMap::new();
    for tick in ticks {
        for (_, sample) in &tick.samples {
            let output = ((sample.cadence + 35.0) * (sample.resistance + 65.0)) / 100.0;
            let record =
                records.entry((sample.class, sample.racer, sample.second)).or_insert(output);
            *record = record.max(output);
            if sample.is_final {
                let best =
                    bests.entry((sample.class, sample.racer)).or_insert((output, sample.race));
                if output > best.0 || (output == best.0 && sample.race < best.1) {
                    *best = (output, sample.race);
                }
            }
            expected.late += u64::from(is_late(&mut rides, sample, output));
        }
        for (_, event) in &tick.tracking {
            if is_new(&mut counted, event) {
                let count = expected.views.entry(event.project.to_string()).or_default();
                count.0 += u64::from(event.is_view);
                count.1 += u64::from(event.duration_ms);
            }
        }
    }
    expected.records = records.into_iter().map(|(key, output)| (key, output.to_bits())).collect();
    expected.leaderboard =
        bests.into_iter().map(|(key, (output, race))| (key, (output.to_bits(), race))).collect();
    expected.results = rides.into_iter().map(|(key, ride)| (key, result(ride))).collect();
    expected
}

/// Adds the sample to its ride, or tells that it came more than an hour after it.
fn is_late(rides: &mut BTreeMap<(u16, u64, u32), Ride>, sample: &Sample, output: f64) -> bool {
    let left = u64::from(RULES.race_seconds - sample.second + RULES.grace_seconds) * 1000;
    let ride = rides
        .entry((sample.class, sample.race, sample.racer))
        .or_insert(Ride { over_ms: sample.clock + left, ..Ride::default() });
    if sample.clock > ride.over_ms + 3_600_000 {
        return true;
    }
    let best = ride.outputs.entry(sample.second).or_insert(output);
    *best = best.max(output);
    ride.finals.extend(sample.is_final.then_some(output));
    ride.names.extend(sample.name.as_ref().map(|name| (sample.device_ms, name.to_string())));
    false
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
