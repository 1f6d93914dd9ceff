//! The output of a sample, and the rules that it is computed under.

use std::cmp::Ordering;
use std::mem;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::Operator;

use crate::event::{ClassId, Clock, RaceId, RacerId, Sample};

/// The longest race that the rules may set, in seconds.
pub const RACE_SECONDS_MAX: u16 = 3600;

/// How events become results. A replay under other rules shows what they would change.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Added to the cadence, in revolutions a minute.
    pub cadence_offset: f64,
    /// Added to the resistance, in percent.
    pub resistance_offset: f64,
    /// What the product of both is divided by.
    pub divisor: f64,
    /// Length of a race in seconds, 1 to 3600.
    pub race_seconds: u16,
    /// How long after a race's last second its rides stay open, in seconds.
    pub grace_seconds: u16,
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
        }
    }
}

impl Rules {
    /// The output of one sample, in IEEE double precision and exactly this order of operations.
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

/// A finite output, ordered as a number, so that it can stand in arrangements.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Output(pub f64);

impl Ord for Output {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Output {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Output {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Output {}

/// A sample with its output computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// The event clock at this event.
    pub clock: Clock,
    /// The race within its class.
    pub race: RaceId,
    /// The device's clock in milliseconds.
    pub device_ms: u64,
    /// The output.
    pub output: f64,
    /// The racer's label for display, where the event brings one.
    pub name: Option<CompactString>,
    /// The racer.
    pub racer: RacerId,
    /// The class.
    pub class: ClassId,
    /// Second of the race, from 1.
    pub second: u16,
    /// Whether it is the racer's last event of the race.
    pub is_final: bool,
}

/// Computes the output of each sample under `rules`, on the worker where the racer's rides are.
pub fn output<'scope>(
    samples: Stream<'scope, Clock, Vec<Sample>>,
    rules: Rules,
) -> Stream<'scope, Clock, Vec<Scored>> {
    let score = move |sample: Sample| Scored {
        clock: sample.clock,
        race: sample.race,
        device_ms: sample.device_ms,
        output: rules.output(sample.cadence, sample.resistance),
        name: sample.name,
        racer: sample.racer,
        class: sample.class,
        second: sample.second,
        is_final: sample.is_final,
    };
    let route = Exchange::new(|sample: &Sample| worker_hash(sample.class, sample.racer));
    samples.unary(route, "Output", move |_, _| {
        move |input, output| {
            input.for_each(|capability, samples| {
                // The vector's memory is used again: nothing is moved to another place.
                let mut scored = mem::take(samples).into_iter().map(score).collect();
                output.session(&capability).give_container(&mut scored);
            });
        }
    })
}

/// The hash by which a racer's worker in a class is found: Fibonacci hashing (Knuth, TAOCP 6.4), of
/// which the upper half is the well-mixed one.
pub(crate) fn worker_hash(class: ClassId, racer: RacerId) -> u64 {
    let key = u64::from(racer) << 16 | u64::from(class);
    key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}
