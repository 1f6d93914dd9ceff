//! One ride: its curve and its result.

use compact_str::CompactString;
use velodrome_dataflows::{Curve, EventTime, Output, RideResult, Rules};

use super::event::Sample;

/// The repair window: time after the end of a ride in which samples still change its result, in
/// milliseconds.
const REPAIR_WINDOW_MS: u64 = 3_600_000;

/// The state of a ride so far.
#[derive(Debug)]
pub(super) struct Ride {
    /// Time on the event clock at which the ride ends.
    due: EventTime,
    curve: Curve,
    final_output: Option<f64>,
    /// The name with the greatest device time, and that time. On ties, the greatest name.
    name: Option<(u64, CompactString)>,
}

impl Ride {
    /// Starts a ride with its first sample, at `second`, which arrived at `clock`.
    pub(super) fn new(rules: &Rules, clock: EventTime, second: u16) -> Self {
        let (due, curve) = (rules.closes_at(clock, second), Curve::default());
        Self { due, curve, final_output: None, name: None }
    }

    /// Whether a sample at `clock` still changes the ride. It does until the repair window ends.
    pub(super) fn is_open(&self, clock: EventTime) -> bool {
        clock <= self.open_until()
    }

    /// The last time at which a sample changes the ride.
    pub(super) fn open_until(&self) -> EventTime {
        self.due + REPAIR_WINDOW_MS
    }

    /// Whether the ride has ended at `clock`. Rides end at whole seconds.
    pub(super) fn has_ended(&self, clock: EventTime) -> bool {
        self.due.next_multiple_of(1000) <= clock
    }

    /// The best output of each second.
    pub(super) fn curve(&self) -> &Curve {
        &self.curve
    }

    /// Adds a sample with its output.
    pub(super) fn add(&mut self, sample: Sample, output: f64) {
        self.curve.raise(sample.second, output);
        if sample.is_final {
            self.final_output = Some(self.final_output.map_or(output, |best| best.max(output)));
        }
        let name = sample.name.map(|name| (sample.device_ms, name));
        // `None` is less than every name.
        if name > self.name {
            self.name = name;
        }
    }

    /// The result. The total is summed in order of seconds, because the order affects its last digits.
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

    /// The result of samples at the given times, which are also their device times. Each output equals
    /// the cadence.
    fn result(samples: Vec<(EventTime, Sample)>) -> RideResult {
        let mut ride = Ride::new(&Rules::default(), 0, 1);
        for (clock, sample) in samples {
            let output = sample.cadence;
            ride.add(Sample { device_ms: clock, ..sample }, output);
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
            device_ms: 0,
            is_final,
        }
    }

    #[test]
    fn totals_the_best_output_of_each_second_in_order() {
        let at = |second, cadence, is_final| (0, sample(second, cadence, is_final, None));
        let ride =
            result(vec![at(3, 0.2, false), at(1, 0.1, true), at(3, 0.3, true), at(2, 0.7, true)]);
        // A different order of summation changes the last digits.
        assert_eq!((0.1 + 0.7) + 0.3, 1.0999999999999999);
        assert_eq!((ride.total.0, ride.best.0, ride.seconds), (1.0999999999999999, 0.7, 3));
        assert_eq!(ride.final_output, Some(Output(0.7)));
    }

    #[test]
    fn has_no_final_output_without_a_final_event() {
        assert_eq!(result(vec![(0, sample(1, 0.1, false, None))]).final_output, None);
    }

    #[test]
    fn uses_the_name_with_the_greatest_device_time_then_the_greatest_name() {
        let at = |clock, name| (clock, sample(1, 0.0, false, name));
        let names = [(1, Some("z")), (2, Some("a")), (2, Some("b")), (2, Some("")), (9, None)];
        let ride = result(names.map(|(clock, name)| at(clock, name)).into());
        assert_eq!(ride.name.as_deref(), Some("b"));
    }
}
