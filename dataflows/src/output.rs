//! The output of a sample.

use std::cmp::Ordering;
use std::mem;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::Operator;

use crate::event::{ClassId, Clock, RaceId, RacerId, Sample};
use crate::scoring::Scoring;

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

/// Computes the output of each sample that counts, on the worker where the racer's rides are.
pub fn output<'scope>(
    samples: Stream<'scope, Clock, Vec<Sample>>,
    scoring: Scoring,
) -> Stream<'scope, Clock, Vec<Scored>> {
    let route = Exchange::new(|sample: &Sample| worker_hash(sample.class, sample.racer));
    samples.unary(route, "Output", move |_, _| {
        move |input, output| {
            input.for_each(|capability, samples| {
                // The vector's memory is used again: nothing is moved to another place.
                let mut scored =
                    mem::take(samples).into_iter().filter_map(|s| scored(&scoring, s)).collect();
                output.session(&capability).give_container(&mut scored);
            });
        }
    })
}

/// A sample with its output, where it counts.
#[inline]
pub(crate) fn scored(scoring: &Scoring, sample: Sample) -> Option<Scored> {
    let output = scoring.score(&sample)?;
    Some(Scored {
        clock: sample.clock,
        race: sample.race,
        device_ms: sample.device_ms,
        output,
        name: sample.name,
        racer: sample.racer,
        class: sample.class,
        second: sample.second,
        is_final: sample.is_final,
    })
}

/// The factor of Fibonacci hashing (Knuth, TAOCP 6.4): 2^64 divided by the golden ratio.
pub(crate) const FIBONACCI: u64 = 0x9e37_79b9_7f4a_7c15;

/// The hash by which a racer's worker in a class is found: Fibonacci hashing, of which the upper half
/// is the well-mixed one.
pub(crate) fn worker_hash(class: ClassId, racer: RacerId) -> u64 {
    let key = u64::from(racer) << 16 | u64::from(class);
    key.wrapping_mul(FIBONACCI) >> 32
}
