//! A race: its riders, their efforts, and the fields that are the same in all lines of a ride.

use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_64;

use super::parameters::{RACE_INTERVAL_MS, RACE_SECONDS};
use super::random::{Random, Uuid};
use super::workload::Workload;

/// The number of the random generator that draws a race's riders. Numbers 1 to 300 are for the seconds.
const RIDERS: u32 = 0;
/// The range of the cadence, in rpm.
const CADENCE: (i32, i32) = (40, 110);
/// The range of the resistance, in percent.
const RESISTANCE: (i32, i32) = (20, 90);
/// The maximum by which a racer's strength raises an effort, in rpm or percent.
const STRENGTH: i32 = 40;
/// In each race, a random number below this is added to an effort.
const FORM: u32 = 31;
/// The maximum change of an effort during a race.
const CHANGE: i32 = 15;

/// Names of racers. `RARE_NAMES` have letters of more than one byte.
const NAMES: [&str; 40] = [
    "Adell", "Amanda", "Arden", "Axel", "Bruno", "Cara", "Chesley", "Clara", "Cordia", "Damaris",
    "Damion", "Eleanore", "Emil", "Frieda", "Hayden", "Hubert", "Ida", "Jonathon", "Josefina",
    "Kathryn", "Lacy", "Leon", "Mabelle", "Marta", "Nora", "Olen", "Orion", "Otis", "Paula",
    "Quincy", "Rosie", "Ruben", "Schuyler", "Sincere", "Tilda", "Ulla", "Vicente", "Vito", "Wanda",
    "Yves",
];
const RARE_NAMES: [&str; 6] = ["Zoë", "José", "Søren", "Łukasz", "Renée", "Jürgen"];

/// One race of a workload.
#[derive(Debug)]
pub struct Race<'a> {
    /// Its `raceId`, which is the same in all classes.
    pub id: u64,
    pub(super) workload: &'a Workload,
    /// Its index in the workload, from 0.
    pub(super) index: u64,
    /// Its start, in ms since the epoch.
    pub(super) start_ms: u64,
    /// Part of the name of the object with its lines.
    pub(super) uuid: Uuid,
    pub(super) riders: Vec<Rider>,
}

/// One racer in one race.
#[derive(Debug)]
pub(super) struct Rider {
    /// The text from `,"raceId":` to the colon after `"cadence"`, the same in all lines of the ride.
    pub(super) fixed_fields: Box<[u8]>,
    pub(super) cadence: Effort,
    pub(super) resistance: Effort,
}

/// A quantity that changes linearly from one integer to another during the race.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    pub(super) start: i32,
    pub(super) end: i32,
}

impl Effort {
    /// A random effort within `range`, for a racer of `strength` (0 to 1).
    fn new(range: (i32, i32), strength: f64, random: &mut Random) -> Self {
        let raised = (strength * f64::from(STRENGTH)) as i32;
        let start = range.0 + raised + random.below(FORM) as i32;
        // Half of the efforts are constant, as they often are in the published simulator.
        let change = random.below(4 * CHANGE as u32 + 2) as i32 - CHANGE;
        let change = if change > CHANGE { 0 } else { change };
        Self { start, end: (start + change).clamp(range.0, range.1) }
    }

    /// The value at `second`. Only this order of operations gives all doubles of the golden data; with
    /// the multiplication before the division, 675 of 129,600 differ.
    pub(super) fn at(self, second: u32) -> f64 {
        let done = f64::from(second) / f64::from(RACE_SECONDS);
        f64::from(self.start) + f64::from(self.end - self.start) * done
    }
}

impl Workload {
    /// The race with this index, from 0.
    pub fn race(&self, index: u64) -> Race<'_> {
        let parameters = self.parameters;
        let mut random = Random::new(parameters.seed, index, RIDERS);
        let start_ms = parameters.start_ms + index * RACE_INTERVAL_MS;
        let id = start_ms / RACE_INTERVAL_MS;
        let uuid = random.uuid();
        let racers = choose(parameters.racers, parameters.concurrent, &mut random);
        let classes = (1..=parameters.classes).cycle();
        let riders = racers.into_iter().zip(classes).map(|(racer, class)| {
            let strength = Strength::of(racer);
            let name = name(racer);
            let fixed_fields = format!(
                r#","raceId":{id},"name":"{name}","racerId":{racer},"classId":{class},"cadence":"#
            );
            Rider {
                fixed_fields: fixed_fields.into_bytes().into(),
                cadence: Effort::new(CADENCE, strength.legs, &mut random),
                resistance: Effort::new(RESISTANCE, strength.endurance, &mut random),
            }
        });
        Race { id, workload: self, index, start_ms, uuid, riders: riders.collect() }
    }
}

/// The abilities of a racer in every race, each from 0 to 1.
struct Strength {
    legs: f64,
    endurance: f64,
}

impl Strength {
    fn of(racer: u32) -> Self {
        let bits = xxh3_64(&racer.to_le_bytes());
        let unit = |bits: u64| f64::from(bits as u16) / f64::from(u16::MAX);
        Self { legs: unit(bits), endurance: unit(bits >> 16) }
    }
}

/// The racer's name, which is the same in every race. One in a hundred has a letter outside ASCII.
fn name(racer: u32) -> &'static str {
    let bits = (xxh3_64(&racer.to_le_bytes()) >> 32) as usize;
    let names = if bits.is_multiple_of(100) { &RARE_NAMES[..] } else { &NAMES };
    names.get(bits / 100 % names.len()).copied().unwrap_or_default()
}

/// Chooses `count` distinct numbers below `bound`: the first steps of a Fisher-Yates shuffle, with only
/// the swapped positions in memory.
fn choose(bound: u32, count: u32, random: &mut Random) -> Vec<u32> {
    let mut swapped = HashMap::new();
    let step = |position: u32| {
        let other = position + random.below(bound - position);
        let own = swapped.remove(&position).unwrap_or(position);
        if other == position { own } else { swapped.insert(other, own).unwrap_or(other) }
    };
    (0..count).map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn efforts_equal_the_doubles_of_the_published_simulator() {
        // From the golden data. Seconds 37 and 102 depend on the order of operations.
        for (start, end, second, value) in [
            (78, 80, 1, 78.00666666666666),
            (78, 80, 151, 79.00666666666666),
            (53, 81, 1, 53.093333333333334),
            (57, 64, 1, 57.02333333333333),
            (65, 73, 1, 65.02666666666667),
            (51, 59, 1, 51.026666666666664),
            (57, 64, 37, 57.86333333333334),
            (53, 81, 102, 62.52),
            (78, 78, 1, 78.0),
            (78, 80, 300, 80.0),
        ] {
            assert_eq!(Effort { start, end }.at(second), value, "{start} to {end} at {second}");
        }
    }

    #[test]
    fn chosen_numbers_are_distinct_and_cover_the_range() {
        let mut some = choose(1000, 100, &mut Random::new(1, 0, 0));
        assert!(some.iter().any(|&n| n >= 900) && some.iter().any(|&n| n < 100), "{some:?}");
        some.sort_unstable();
        some.dedup();
        assert_eq!(some.len(), 100);
        let mut all = choose(1000, 1000, &mut Random::new(1, 0, 0));
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1000));
    }

    #[test]
    fn one_name_in_a_hundred_is_not_ascii() {
        let rare = (0..40_000).filter(|&racer| !name(racer).is_ascii()).count();
        assert!((300..500).contains(&rare), "{rare}");
    }
}
