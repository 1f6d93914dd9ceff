//! Rules: how events become results, as a value.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

use compact_str::CompactString;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::event::{ClassId, Clock, RaceId, RacerId};

/// The longest race that the rules may set, in seconds.
pub const RACE_SECONDS_MAX: u16 = 3600;

/// How events become results. A replay under other rules shows what they would change.
///
/// Equal rules serialize to equal text: sets and maps are in the order of their keys, and are left out where
/// they are empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Added to the cadence, in revolutions a minute.
    pub cadence_offset: f64,
    /// Added to the resistance, in percent.
    pub resistance_offset: f64,
    /// What the product of both is divided by.
    pub divisor: f64,
    /// Length of a race in seconds, 1 to 3600; what comes of a later second counts for nothing.
    pub race_seconds: u16,
    /// How long after a race's last second its rides stay open, in seconds.
    pub grace_seconds: u16,
    /// Racers of whom nothing counts.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub excluded_racers: BTreeSet<RacerId>,
    /// Races of which nothing counts.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub excluded_races: BTreeSet<ExcludedRace>,
    /// Rides of which nothing counts.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub excluded_rides: BTreeSet<ExcludedRide>,
    /// What all measures of a racer are multiplied by, after the correction of their device.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "by_racer")]
    pub corrected_racers: BTreeMap<RacerId, Correction>,
    /// What all measures of a device, known by the `uuid` of its events, are multiplied by.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub corrected_devices: BTreeMap<CompactString, Correction>,
}

/// A race that does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExcludedRace {
    /// Its class.
    pub class_id: ClassId,
    /// Its id within the class.
    pub race_id: RaceId,
}

/// A ride that does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExcludedRide {
    /// The class of its race.
    pub class_id: ClassId,
    /// Its race within the class.
    pub race_id: RaceId,
    /// Who rode.
    pub racer_id: RacerId,
}

/// Factors of what was measured, from 0 to 1000; a device that shows a tenth too much has 1 / 1.1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Correction {
    /// Of the cadence.
    pub cadence: f64,
    /// Of the resistance.
    pub resistance: f64,
}

impl Default for Correction {
    fn default() -> Self {
        Self { cadence: 1.0, resistance: 1.0 }
    }
}

impl Default for Rules {
    /// The rule of the published Alleycat transformer: `((cadence + 35) * (resistance + 65)) / 100`,
    /// races of 300 seconds.
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
    /// The output of measures that need no correction any more, in IEEE double precision and exactly this
    /// order of operations.
    ///
    /// A zero is always positive, so that equal outputs are also equal bit for bit.
    ///
    /// ```
    /// let rules = velodrome_dataflows::Rules::default();
    /// assert_eq!(rules.output(78.00666666666666, 78.0), 161.59953333333334);
    /// ```
    #[inline]
    pub fn output(&self, cadence: f64, resistance: f64) -> f64 {
        ((cadence + self.cadence_offset) * (resistance + self.resistance_offset)) / self.divisor
            + 0.0
    }

    /// The event clock at which a ride is over whose first sample, of `second`, came at `clock`.
    #[inline]
    pub fn due(&self, clock: Clock, second: u16) -> Clock {
        let left = u64::from(self.race_seconds.saturating_sub(second));
        clock + (left + u64::from(self.grace_seconds)) * 1000
    }
}

/// By what a sample knows its device: a hash of the `uuid` of its event, of 64 bits, as a service has some
/// millions of devices and rules correct some hundreds of them.
#[inline]
pub fn device(uuid: &[u8]) -> u64 {
    xxh3_64(uuid)
}

/// The keys of TOML's and JSON's tables are text.
fn by_racer<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<RacerId, Correction>, D::Error> {
    let by_text: BTreeMap<CompactString, Correction> = Deserialize::deserialize(deserializer)?;
    let racer = |text: &str| {
        let racer = text.parse().ok().filter(|racer: &RacerId| *racer.to_string() == *text);
        racer.ok_or_else(|| D::Error::custom(format_args!("'{text}' is no racer's number")))
    };
    by_text.into_iter().map(|(text, correction)| Ok((racer(&text)?, correction))).collect()
}
