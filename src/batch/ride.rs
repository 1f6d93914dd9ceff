//! One racer in one race: its curve, and the result that comes of it.

use compact_str::CompactString;
use velodrome_dataflows::{Curve, EventTime, Output, RideResult, Rules};

use super::event::Sample;

/// How long after a ride was over its result is still repaired, in milliseconds.
const REPAIR_WINDOW_MS: u64 = 3_600_000;

/// What came of a ride so far.
#[derive(Debug)]
pub(super) struct Ride {
    /// The event clock at which the ride is over.
    due: EventTime,
    curve: Curve,
    final_output: Option<f64>,
    /// The greatest name of the greatest device time.
    name: Option<(u64, CompactString)>,
}

impl Ride {
    /// A ride whose first sample, of `second`, came at `clock`.
    pub(super) fn new(rules: &Rules, clock: EventTime, second: u16) -> Self {
        let curve = Curve::with_capacity(rules.race_seconds);
        Self { due: rules.closes_at(clock, second), curve, final_output: None, name: None }
    }

    /// Whether an event at `clock` still changes it: until an hour after it was over.
    pub(super) fn is_open(&self, clock: EventTime) -> bool {
        clock <= self.due + REPAIR_WINDOW_MS
    }

    /// Whether it is over at `clock`: rides end by whole seconds.
    pub(super) fn is_over(&self, clock: EventTime) -> bool {
        self.due.next_multiple_of(1000) <= clock
    }

    /// The best output of each second.
    pub(super) fn curve(&self) -> &Curve {
        &self.curve
    }

    /// Takes a sample with its output.
    pub(super) fn take(&mut self, device_ms: u64, sample: Sample, output: f64) {
        self.curve.raise(sample.second, output);
        if sample.is_final {
            self.final_output = Some(self.final_output.map_or(output, |best| best.max(output)));
        }
        let name = sample.name.map(|name| (device_ms, name));
        // Nothing is less than any name.
        if name > self.name {
            self.name = name;
        }
    }

    /// The sum adds the best output of each second in the order of seconds.
    pub(super) fn into_result(self) -> RideResult {
        let (mut best, mut total, mut seconds) = (f64::NEG_INFINITY, 0.0, 0);
        for (_, output) in self.curve.outputs() {
            best = best.max(output);
            total += output;
            seconds += 1;
        }
        RideResult {
            name: self.name.map(|(_, name)| name),
            final_output: self.final_output.map(Output),
            best: Output(best),
            total: Output(total),
            seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The result of samples, each with its clock, which is also its device time; the output is the
    /// cadence.
    fn result(samples: Vec<(EventTime, Sample)>) -> RideResult {
        let mut ride = Ride::new(&Rules::default(), 0, 1);
        for (clock, sample) in samples {
            let output = sample.cadence;
            ride.take(clock, sample, output);
        }
        ride.into_result()
    }

    fn sample(second: u16, cadence: f64, is_final: bool, name: Option<&str>) -> Sample {
        let name = name.map(CompactString::from);
        let device = None;
        Sample {
            class: 1,
            race: 7,
            racer: 5,
            second,
            cadence,
            resistance: 0.0,
            name,
            device,
            is_final,
        }
    }

    #[test]
    fn takes_the_best_of_each_second_and_sums_them_in_order() {
        let at = |second, cadence, is_final| (0, sample(second, cadence, is_final, None));
        let ride =
            result(vec![at(3, 0.2, false), at(1, 0.1, true), at(3, 0.3, true), at(2, 0.7, true)]);
        // In another order the sum ends in other digits.
        assert_eq!((0.1 + 0.7) + 0.3, 1.0999999999999999);
        assert_eq!((ride.total.0, ride.best.0, ride.seconds), (1.0999999999999999, 0.7, 3));
        assert_eq!(ride.final_output, Some(Output(0.7)));
    }

    #[test]
    fn has_no_final_output_without_a_final_event() {
        assert_eq!(result(vec![(0, sample(1, 0.1, false, None))]).final_output, None);
    }

    #[test]
    fn takes_the_name_of_the_greatest_device_time_then_the_greatest() {
        let at = |clock, name| (clock, sample(1, 0.0, false, name));
        let names = [(1, Some("z")), (2, Some("a")), (2, Some("b")), (2, Some("")), (9, None)];
        let ride = result(names.map(|(clock, name)| at(clock, name)).into());
        assert_eq!(ride.name.as_deref(), Some("b"));
    }
}
