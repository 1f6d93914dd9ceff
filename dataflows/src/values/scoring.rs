//! Scoring: rules applied to samples.

use compact_str::CompactString;
use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};

use super::event::Sample;
use super::ids::{ClassId, EventTime, RaceId, RacerId, RideKey};
use super::name::name_time;
use super::rules::{Correction, Rules, device_hash};

/// A sample with its output in place of its measurements.
///
/// ```
/// use velodrome_dataflows::ScoredSample;
///
/// let scored = ScoredSample { class: 1, racer: 5, second: 1, output: 97.5, ..Default::default() };
/// assert!(!scored.is_final);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoredSample {
    /// The event clock at this event.
    pub clock: EventTime,
    /// The race within its class.
    pub race: RaceId,
    /// The [time](name_time) of the name, in milliseconds.
    pub name_at: EventTime,
    /// The output.
    pub output: f64,
    /// The racer's label for display, if the event carries one.
    pub name: Option<CompactString>,
    /// The racer.
    pub racer: RacerId,
    /// The class.
    pub class: ClassId,
    /// Second of the race, from 1.
    pub second: u16,
    /// Whether this is the racer's last event of the race.
    pub is_final: bool,
}

/// Rules prepared for fast scoring: ordered sets and maps become hash tables.
///
/// ```
/// use velodrome_dataflows::{Rules, Sample, Scoring};
///
/// let scoring = Scoring::from(Rules { excluded_racers: [6].into(), ..Rules::default() });
/// let sample = |racer, second| Sample {
///     racer,
///     second,
///     cadence: 65.0,
///     resistance: 35.0,
///     ..Sample::default()
/// };
/// assert_eq!(scoring.score(&sample(5, 300)), Some(100.0));
/// assert_eq!(scoring.score(&sample(5, 301)), None, "the race has ended");
/// assert_eq!(scoring.score(&sample(6, 1)), None, "the racer is excluded");
/// ```
#[derive(Clone, Debug)]
pub struct Scoring {
    rules: Rules,
    excluded_racers: HashSet<RacerId>,
    excluded_races: HashSet<(ClassId, RaceId)>,
    excluded_rides: HashSet<RideKey>,
    corrected_racers: HashMap<RacerId, Correction>,
    /// By the hash of the device's uuid.
    corrected_devices: HashMap<u64, Correction>,
    /// Whether the rules exclude anything. Most rules do not, and scoring then skips the lookups.
    excludes: bool,
    /// Whether the rules correct anything.
    corrects: bool,
}

impl From<Rules> for Scoring {
    fn from(rules: Rules) -> Self {
        let races = rules.excluded_races.iter().map(|race| (race.class_id, race.race_id));
        let rides = rules.excluded_rides.iter();
        let rides = rides.map(|ride| (ride.class_id, ride.race_id, ride.racer_id));
        let devices = rules.corrected_devices.iter();
        let devices = devices.map(|(uuid, correction)| (device_hash(uuid.as_bytes()), *correction));
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

    /// The output of a sample, or `None` if the sample does not count.
    ///
    /// A sample does not count if its racer, race or ride is excluded, or if its second is after the end
    /// of the race.
    #[inline]
    pub fn score(&self, sample: &Sample) -> Option<f64> {
        let counts = self.counts((sample.class, sample.race, sample.racer), sample.second);
        counts.then(|| self.output(sample))
    }

    /// Whether a sample of a ride at `second` counts.
    #[inline]
    pub fn counts(&self, ride: RideKey, second: u16) -> bool {
        second <= self.rules.race_seconds && !(self.excludes && self.is_excluded(ride))
    }

    /// The sample with its output, or `None` if the sample does not count.
    #[inline]
    pub(crate) fn score_sample(&self, sample: Sample) -> Option<ScoredSample> {
        let output = self.score(&sample)?;
        Some(ScoredSample {
            clock: sample.clock,
            race: sample.race,
            name_at: name_time(sample.device_ms, sample.clock),
            output,
            name: sample.name,
            racer: sample.racer,
            class: sample.class,
            second: sample.second,
            is_final: sample.is_final,
        })
    }

    /// The output of a sample, whether or not the sample counts.
    #[inline]
    pub fn output(&self, sample: &Sample) -> f64 {
        let (mut cadence, mut resistance) = (sample.cadence, sample.resistance);
        if self.corrects {
            let device = self.corrected_devices.get(&sample.device_hash);
            // The device's error is in the measurement itself, so its correction is applied before the
            // racer's.
            for correction in device.into_iter().chain(self.corrected_racers.get(&sample.racer)) {
                cadence *= correction.cadence;
                resistance *= correction.resistance;
            }
        }
        self.rules.output(cadence, resistance)
    }

    fn is_excluded(&self, ride @ (class, race, racer): RideKey) -> bool {
        self.excluded_racers.contains(&racer)
            || self.excluded_races.contains(&(class, race))
            || self.excluded_rides.contains(&ride)
    }
}
