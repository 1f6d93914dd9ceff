//! Scoring: what a sample counts for under rules.

use hashbrown::{HashMap, HashSet};

use crate::change::RideKey;
use crate::event::{ClassId, RaceId, RacerId, Sample};
use crate::rules::{Correction, Rules, device};

/// Rules made ready for millions of samples.
#[derive(Clone, Debug)]
pub struct Scoring {
    rules: Rules,
    excluded_racers: HashSet<RacerId>,
    excluded_races: HashSet<(ClassId, RaceId)>,
    excluded_rides: HashSet<RideKey>,
    corrected_racers: HashMap<RacerId, Correction>,
    /// By the hash of their uuid.
    corrected_devices: HashMap<u64, Correction>,
    /// Whether something is excluded, and something corrected: most rules do neither.
    excludes: bool,
    corrects: bool,
}

impl From<Rules> for Scoring {
    fn from(rules: Rules) -> Self {
        let races = rules.excluded_races.iter().map(|race| (race.class_id, race.race_id));
        let rides = rules.excluded_rides.iter();
        let rides = rides.map(|ride| (ride.class_id, ride.race_id, ride.racer_id));
        let devices = rules.corrected_devices.iter();
        let devices = devices.map(|(uuid, correction)| (device(uuid.as_bytes()), *correction));
        let scoring = Self {
            excluded_racers: rules.excluded_racers.iter().copied().collect(),
            excluded_races: races.collect(),
            excluded_rides: rides.collect(),
            corrected_racers: rules.corrected_racers.iter().map(|(r, c)| (*r, *c)).collect(),
            corrected_devices: devices.collect(),
            excludes: false,
            corrects: false,
            rules,
        };
        let excludes = !scoring.excluded_racers.is_empty()
            || !scoring.excluded_races.is_empty()
            || !scoring.excluded_rides.is_empty();
        let corrects =
            !scoring.corrected_racers.is_empty() || !scoring.corrected_devices.is_empty();
        Self { excludes, corrects, ..scoring }
    }
}

impl Scoring {
    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The output of a sample that counts; none of one that does not: its racer, race or ride is excluded, or
    /// its second is behind the end of the race.
    #[inline]
    pub fn score(&self, sample: &Sample) -> Option<f64> {
        let counts = sample.second <= self.rules.race_seconds
            && !(self.excludes && self.is_excluded(sample));
        counts.then(|| self.output(sample))
    }

    /// The output of a sample, whether it counts or not.
    #[inline]
    pub fn output(&self, sample: &Sample) -> f64 {
        let (mut cadence, mut resistance) = (sample.cadence, sample.resistance);
        if self.corrects {
            let device = self.corrected_devices.get(&sample.device);
            // The device measured first: its correction goes before the racer's.
            for correction in device.into_iter().chain(self.corrected_racers.get(&sample.racer)) {
                cadence *= correction.cadence;
                resistance *= correction.resistance;
            }
        }
        self.rules.output(cadence, resistance)
    }

    fn is_excluded(&self, sample: &Sample) -> bool {
        let Sample { class, race, racer, .. } = *sample;
        self.excluded_racers.contains(&racer)
            || self.excluded_races.contains(&(class, race))
            || self.excluded_rides.contains(&(class, race, racer))
    }
}
