//! The rules by which events are scored.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::ids::{ClassId, EventTime, RaceId, RacerId};

/// The longest race that the rules may set, in seconds.
pub const RACE_SECONDS_MAX: u16 = 3600;

/// How events are scored. A replay under new rules shows what they would change.
///
/// Equal rules serialize to equal text: sets and maps are written by ascending key, and omitted when
/// they are empty.
///
/// ```
/// use velodrome_dataflows::Rules;
///
/// let rules = Rules { race_seconds: 10, grace_seconds: 3, ..Rules::default() };
/// assert_eq!(rules.output(65.0, 35.0), 100.0);
/// // The first sample is of second 4: 6 seconds of the race remain, then 3 of grace.
/// assert_eq!(rules.closes_at(1_000, 4), 10_000);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Added to the cadence, in revolutions per minute.
    pub cadence_offset: f64,
    /// Added to the resistance, in percent.
    pub resistance_offset: f64,
    /// Divides the product of the two sums.
    pub divisor: f64,
    /// Length of a race in seconds, 1 to [`RACE_SECONDS_MAX`]. Samples of later seconds do not count.
    pub race_seconds: u16,
    /// How long rides stay open after the last second of their race, in seconds.
    pub grace_seconds: u16,
    /// Racers whose samples do not count.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub excluded_racers: BTreeSet<RacerId>,
    /// Races whose samples do not count.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub excluded_races: BTreeSet<ExcludedRace>,
    /// Rides whose samples do not count.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub excluded_rides: BTreeSet<ExcludedRide>,
    /// Corrections by racer, applied after the correction of the device.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "by_racer")]
    pub corrected_racers: BTreeMap<RacerId, Correction>,
    /// Corrections by device. The key is the `uuid` of the device's events.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub corrected_devices: BTreeMap<CompactString, Correction>,
}

/// A race that is excluded by the rules.
///
/// ```
/// use velodrome_dataflows::{ExcludedRace, Rules, Sample, Scoring};
///
/// let excluded_races = [ExcludedRace { class_id: 1, race_id: 7 }].into();
/// let scoring = Scoring::from(Rules { excluded_races, ..Rules::default() });
/// let sample = |race| Sample { class: 1, race, racer: 5, second: 1, ..Sample::default() };
/// assert!(scoring.score(&sample(7)).is_none());
/// assert!(scoring.score(&sample(8)).is_some());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExcludedRace {
    /// Its class.
    pub class_id: ClassId,
    /// Its id within the class.
    pub race_id: RaceId,
}

/// A ride that is excluded by the rules.
///
/// ```
/// use velodrome_dataflows::{ExcludedRide, Rules, Sample, Scoring};
///
/// let excluded_rides = [ExcludedRide { class_id: 1, race_id: 7, racer_id: 5 }].into();
/// let scoring = Scoring::from(Rules { excluded_rides, ..Rules::default() });
/// let sample = |racer| Sample { class: 1, race: 7, racer, second: 1, ..Sample::default() };
/// assert!(scoring.score(&sample(5)).is_none());
/// assert!(scoring.score(&sample(6)).is_some());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExcludedRide {
    /// The class of its race.
    pub class_id: ClassId,
    /// Its race within the class.
    pub race_id: RaceId,
    /// The racer.
    pub racer_id: RacerId,
}

/// Factors that measurements are multiplied by, 0 to 1000.
///
/// A device that reads 10 % too high has the factor 1 / 1.1. A factor that is not set is 1.
///
/// ```
/// use velodrome_dataflows::{Correction, Rules, Sample, Scoring, device_hash};
///
/// let half = Correction { cadence: 0.5, ..Correction::default() };
/// let corrected_devices = [("bike-9".into(), half)].into();
/// let scoring = Scoring::from(Rules { corrected_devices, ..Rules::default() });
/// let mut sample = Sample { cadence: 65.0, resistance: 35.0, second: 1, ..Sample::default() };
/// assert_eq!(scoring.score(&sample), Some(100.0));
/// sample.device_hash = device_hash(b"bike-9");
/// assert_eq!(scoring.score(&sample), Some(67.5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Correction {
    /// Factor of the cadence.
    pub cadence: f64,
    /// Factor of the resistance.
    pub resistance: f64,
}

impl Default for Correction {
    fn default() -> Self {
        Self { cadence: 1.0, resistance: 1.0 }
    }
}

impl Default for Rules {
    /// The rules of the published Alleycat sample: the output is `((cadence + 35) * (resistance + 65)) /
    /// 100`, and a race lasts 300 seconds. Rides stay open for another 60 seconds.
    fn default() -> Self {
        Self {
            cadence_offset: 35.0,
            resistance_offset: 65.0,
            divisor: 100.0,
            race_seconds: 300,
            grace_seconds: 60,
            excluded_racers: BTreeSet::new(),
            excluded_races: BTreeSet::new(),
            excluded_rides: BTreeSet::new(),
            corrected_racers: BTreeMap::new(),
            corrected_devices: BTreeMap::new(),
        }
    }
}

impl Rules {
    /// The output of corrected measurements, in IEEE double precision and in exactly this order of
    /// operations.
    ///
    /// A zero is always positive, so that equal outputs are also equal bit for bit.
    ///
    /// ```
    /// let rules = velodrome_dataflows::Rules::default();
    /// assert_eq!(rules.output(78.00666666666666, 78.0), 161.59953333333334);
    /// assert_eq!(rules.output(-35.0, -70.0).to_bits(), 0.0_f64.to_bits());
    /// ```
    #[inline]
    pub fn output(&self, cadence: f64, resistance: f64) -> f64 {
        ((cadence + self.cadence_offset) * (resistance + self.resistance_offset)) / self.divisor
            + 0.0
    }

    /// The event clock at which a ride closes, given the clock and the second of its first sample.
    ///
    /// It is the clock plus the remaining seconds of the race plus the grace.
    #[inline]
    pub fn closes_at(&self, clock: EventTime, second: u16) -> EventTime {
        let left = u64::from(self.race_seconds.saturating_sub(second));
        clock + (left + u64::from(self.grace_seconds)) * 1000
    }
}

/// The 64-bit hash of a device's `uuid`. Samples refer to their device by it.
///
/// 64 bits suffice: a service has some millions of devices, and rules correct some hundreds of them.
///
/// ```
/// use velodrome_dataflows::device_hash;
///
/// assert_eq!(device_hash(b"bike-9"), device_hash(b"bike-9"));
/// assert_ne!(device_hash(b"bike-9"), device_hash(b"bike-8"));
/// ```
#[inline]
pub fn device_hash(uuid: &[u8]) -> u64 {
    xxh3_64(uuid)
}

/// Deserializes a map by racer from text keys, because TOML and JSON keys are always text.
///
/// # Errors
/// A key that is not a racer id in its shortest decimal form.
fn by_racer<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<RacerId, Correction>, D::Error> {
    let by_text: BTreeMap<CompactString, Correction> = Deserialize::deserialize(deserializer)?;
    let racer = |text: &str| {
        let racer = text.parse().ok().filter(|racer: &RacerId| *racer.to_string() == *text);
        racer.ok_or_else(|| D::Error::custom(format_args!("'{text}' is not a racer id")))
    };
    by_text.into_iter().map(|(text, correction)| Ok((racer(&text)?, correction))).collect()
}
