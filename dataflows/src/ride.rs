//! One ride: what a racer's samples in one race have come to so far.

use std::mem;
use std::sync::Arc;

use crate::change::{OverRide, RetiredRide, Standing};
use crate::curve::{Curve, Record};
use crate::event::Clock;
use crate::names::Name;
use crate::output::{Output, Scored};
use crate::results::RideResult;

/// How long a ride that is over is still repaired by late samples, in milliseconds.
pub const REPAIR_MS: u64 = 3_600_000;

/// A ride that still takes samples.
#[derive(Debug)]
pub(crate) struct Ride {
    /// The event clock at which the ride is over.
    pub(crate) due: Clock,
    /// The event clock at its first sample.
    pub(crate) began: Clock,
    /// The best output of each second, until the ride is over.
    curve: Curve,
    final_output: Option<Output>,
    name: Option<Name>,
    /// What was last told of it, once it is over: the curve is then the record's.
    told: Option<(Record, Arc<RideResult>)>,
}

impl Ride {
    /// A ride that begins at `began` and is over at `due`, with room for `seconds` outputs.
    pub(crate) fn new(began: Clock, due: Clock, seconds: u16) -> Self {
        let curve = Curve::with_capacity(seconds);
        Self { due, began, curve, final_output: None, name: None, told: None }
    }

    /// Takes one sample, and tells whether it changed anything: a sample that comes again does not.
    pub(crate) fn add(&mut self, sample: &Scored) -> bool {
        let mut changed = match &mut self.told {
            Some((record, _)) => record.raise(sample.second, sample.output),
            None => self.curve.raise(sample.second, sample.output),
        };
        let output = Some(Output(sample.output));
        if sample.is_final && output > self.final_output {
            self.final_output = output;
            changed = true;
        }
        if let Some(text) = &sample.name {
            let device_ms = sample.device_ms;
            let later = self
                .name
                .as_ref()
                .is_none_or(|last| (last.device_ms, &last.text) < (device_ms, text));
            match &mut self.name {
                // Nearly always the same name again, which needs no copy. Of a ride that is over even
                // that is told: a checkpoint must know the time that later names are held against.
                Some(last) if later && last.text == text => {
                    last.device_ms = device_ms;
                    changed |= self.told.is_some();
                }
                slot if later => {
                    *slot = Some(Name { device_ms, text: text.clone() });
                    changed = true;
                }
                _ => {}
            }
        }
        changed
    }

    /// Whether the ride is over and was told of.
    pub(crate) fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// The name with the greatest device time so far.
    pub(crate) fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    /// The best output at a second, while it runs.
    pub(crate) fn output(&self, second: u16) -> Option<Output> {
        self.curve.get(second).map(Output)
    }

    /// The best output of each second while it runs, seconds ascending.
    pub(crate) fn outputs(&self) -> Vec<(u16, Output)> {
        self.curve.outputs().map(|(second, output)| (second, Output(output))).collect()
    }

    /// How it stands while it runs: at the latest second that was reported.
    pub(crate) fn standing(&self) -> Standing {
        let second = self.curve.seconds();
        Standing {
            second,
            output: Output(self.curve.get(second).unwrap_or_default()),
            name: self.name.as_ref().map(|name| name.text.clone()),
            began: self.began,
        }
    }

    /// Tells what the ride comes to: its outputs, what was told before, and what stands now.
    pub(crate) fn tell(&mut self) -> (Record, Option<Arc<RideResult>>, Arc<RideResult>) {
        let (record, before) = match self.told.take() {
            Some((record, result)) => (record, Some(result)),
            None => (mem::take(&mut self.curve).into(), None),
        };
        let result = self.result(&record);
        let result = match &before {
            Some(before) if **before == result => Arc::clone(before),
            _ => Arc::new(result),
        };
        self.told = Some((record.clone(), Arc::clone(&result)));
        (record, before, result)
    }

    fn result(&self, curve: &Curve) -> RideResult {
        let (mut best, mut total, mut seconds) = (f64::NEG_INFINITY, 0.0, 0);
        for (_, output) in curve.outputs() {
            best = output.max(best);
            total += output;
            seconds += 1;
        }
        RideResult {
            name: self.name.as_ref().map(|name| name.text.clone()),
            final_output: self.final_output,
            best: Output(best),
            total: Output(total),
            seconds,
        }
    }

    /// What a checkpoint keeps of it, once it is over.
    pub(crate) fn over(&self) -> Option<OverRide> {
        let (record, _) = self.told.as_ref()?;
        Some(OverRide {
            due: self.due,
            began: self.began,
            record: record.clone(),
            final_output: self.final_output,
            name: self.name.clone(),
        })
    }

    /// The ride that a checkpoint kept, over and told of, and its result.
    pub(crate) fn restored(kept: OverRide) -> (Self, Arc<RideResult>) {
        let OverRide { due, began, record, final_output, name } = kept;
        let mut ride = Self { due, began, curve: Curve::default(), final_output, name, told: None };
        let result = Arc::new(ride.result(&record));
        ride.told = Some((record, Arc::clone(&result)));
        (ride, result)
    }

    /// What is left of it once it cannot be repaired any more.
    pub(crate) fn retired(&self) -> Option<RetiredRide> {
        let (_, result) = self.told.as_ref()?;
        Some(RetiredRide { due: self.due, began: self.began, result: Arc::clone(result) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(device_ms: u64, name: &str) -> Scored {
        Scored {
            clock: device_ms,
            race: 1,
            device_ms,
            output: 1.0,
            name: Some(name.into()),
            racer: 1,
            class: 1,
            second: 1,
            is_final: false,
        }
    }

    #[test]
    fn a_checkpoint_knows_the_time_of_a_name_that_came_again() {
        let mut ride = Ride::new(1, 2, 10);
        ride.add(&sample(1, "Bea"));
        ride.tell();
        assert!(ride.add(&sample(5, "Bea")), "it is told again");
        let (mut restored, _) = Ride::restored(ride.over().unwrap());
        for ride in [&mut ride, &mut restored] {
            ride.add(&sample(3, "Ada"));
            assert_eq!(ride.name().unwrap().text, "Bea");
        }
    }
}
