//! One ride: the accumulated state of a racer's samples in one race.

use std::mem;
use std::sync::Arc;

use crate::values::{
    Curve, EventTime, FinishedRide, Name, Output, Record, RetiredRide, RideResult, ScoredSample,
    Standing,
};

/// A ride that still accepts samples: it is running, or finished and within its repair window.
#[derive(Debug)]
pub(super) struct Ride {
    /// The event clock at which the ride closes.
    pub(super) closes_at: EventTime,
    /// The event clock at its first sample.
    pub(super) started_at: EventTime,
    /// The best output of each second while the ride is running.
    curve: Curve,
    final_output: Option<Output>,
    name: Option<Name>,
    /// The most recently emitted record and result, or `None` while the ride is running. From the finish
    /// on, it replaces `curve`.
    emitted: Option<(Record, Arc<RideResult>)>,
}

impl Ride {
    /// An empty ride that starts and closes at the given times.
    pub(super) fn new(started_at: EventTime, closes_at: EventTime) -> Self {
        let curve = Curve::default();
        Self { closes_at, started_at, curve, final_output: None, name: None, emitted: None }
    }

    /// Adds a sample, and returns whether it changed the ride. A duplicate sample changes nothing.
    pub(super) fn add(&mut self, sample: &ScoredSample) -> bool {
        let mut changed = match &mut self.emitted {
            Some((record, _)) => record.raise(sample.second, sample.output),
            None => self.curve.raise(sample.second, sample.output),
        };
        let output = Some(Output(sample.output));
        if sample.is_final && output > self.final_output {
            self.final_output = output;
            changed = true;
        }
        if let Some(text) = &sample.name {
            let at = sample.name_at;
            let later = self.name.as_ref().is_none_or(|last| (last.at, &last.text) < (at, text));
            match &mut self.name {
                // The name is nearly always the same, so only its time is updated, without a copy. For a
                // finished ride even a new time is a change, because a checkpoint must save it:
                // later names are compared with it.
                Some(last) if later && last.text == text => {
                    last.at = at;
                    changed |= self.emitted.is_some();
                }
                slot if later => {
                    *slot = Some(Name { at, text: text.clone() });
                    changed = true;
                }
                _ => {}
            }
        }
        changed
    }

    /// Whether the ride has finished and its result was emitted.
    pub(super) fn is_finished(&self) -> bool {
        self.emitted.is_some()
    }

    /// The name with the greatest time so far.
    pub(super) fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    /// The best output at a second, while the ride is running.
    pub(super) fn output(&self, second: u16) -> Option<Output> {
        self.curve.get(second).map(Output)
    }

    /// The best output of each second while the ride is running, seconds ascending.
    pub(super) fn outputs(&self) -> Vec<(u16, Output)> {
        self.curve.outputs().map(|(second, output)| (second, Output(output))).collect()
    }

    /// The standing of a running ride, at the latest second that was reported.
    pub(super) fn standing(&self) -> Standing {
        let second = self.curve.seconds();
        Standing {
            second,
            output: Output(self.curve.get(second).unwrap_or_default()),
            name: self.name.as_ref().map(|name| name.text.clone()),
            started_at: self.started_at,
        }
    }

    /// Finishes the ride, or computes its result again after a repair.
    ///
    /// Returns the record, the result that was emitted before, if any, and the current result.
    pub(super) fn finish(&mut self) -> (Record, Option<Arc<RideResult>>, Arc<RideResult>) {
        let (record, previous) = match self.emitted.take() {
            Some((record, result)) => (record, Some(result)),
            None => (mem::take(&mut self.curve).into(), None),
        };
        let result = self.result(&record);
        let result = match &previous {
            Some(previous) if **previous == result => Arc::clone(previous),
            _ => Arc::new(result),
        };
        self.emitted = Some((record.clone(), Arc::clone(&result)));
        (record, previous, result)
    }

    fn result(&self, curve: &Curve) -> RideResult {
        let (mut best, mut total, mut seconds) = (f64::NEG_INFINITY, 0.0, 0);
        curve.outputs().for_each(|(_, output)| {
            best = output.max(best);
            total += output;
            seconds += 1;
        });
        RideResult {
            name: self.name.as_ref().map(|name| name.text.clone()),
            final_output: self.final_output,
            best: Output(best),
            total: Output(total),
            seconds,
        }
    }

    /// The ride as a checkpoint saves it, or `None` while it is running.
    pub(super) fn to_finished(&self) -> Option<FinishedRide> {
        let (record, _) = self.emitted.as_ref()?;
        Some(FinishedRide {
            closes_at: self.closes_at,
            started_at: self.started_at,
            record: record.clone(),
            final_output: self.final_output,
            name: self.name.clone(),
        })
    }

    /// Restores a finished ride from a checkpoint. Returns the ride and its result; the result counts as
    /// emitted.
    pub(super) fn from_finished(saved: FinishedRide) -> (Self, Arc<RideResult>) {
        let FinishedRide { closes_at, started_at, record, final_output, name } = saved;
        let curve = Curve::default();
        let mut ride = Self { closes_at, started_at, curve, final_output, name, emitted: None };
        let result = Arc::new(ride.result(&record));
        ride.emitted = Some((record, Arc::clone(&result)));
        (ride, result)
    }

    /// The ride reduced to what is retained after its repair window, or `None` while it is running.
    pub(super) fn to_retired(&self) -> Option<RetiredRide> {
        let (_, result) = self.emitted.as_ref()?;
        Some(RetiredRide {
            closes_at: self.closes_at,
            started_at: self.started_at,
            result: Arc::clone(result),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: EventTime, name: &str) -> ScoredSample {
        ScoredSample {
            clock: at,
            race: 1,
            name_at: at,
            output: 1.0,
            name: Some(name.into()),
            racer: 1,
            class: 1,
            second: 1,
            is_final: false,
        }
    }

    #[test]
    fn a_checkpoint_saves_the_device_time_of_a_repeated_name() {
        let mut ride = Ride::new(1, 2);
        ride.add(&sample(1, "Bea"));
        ride.finish();
        assert!(ride.add(&sample(5, "Bea")), "the later device time is a change");
        let (mut restored, _) = Ride::from_finished(ride.to_finished().unwrap());
        for ride in [&mut ride, &mut restored] {
            ride.add(&sample(3, "Ada"));
            assert_eq!(ride.name().unwrap().text, "Bea");
        }
    }
}
