//! One ride: what a racer's samples in one race have come to so far.

use std::mem;

use compact_str::CompactString;

use crate::curve::{Curve, Record};
use crate::event::Clock;
use crate::output::{Output, Scored};
use crate::results::RideResult;

/// How long a ride that is over is still repaired by late samples, in milliseconds.
pub const REPAIR_MS: u64 = 3_600_000;

/// A ride that still takes samples.
#[derive(Debug)]
pub(crate) struct Ride {
    /// The event clock at which the ride is over.
    pub(crate) due: Clock,
    /// The best output of each second, until the ride is over.
    curve: Curve,
    final_output: Option<Output>,
    /// With the device time that it came at.
    name: Option<(u64, CompactString)>,
    /// What was last told of it, once it is over: the curve is then the record's.
    told: Option<(Record, RideResult)>,
}

impl Ride {
    /// A ride without samples yet that is over at `due`, with room for `seconds` outputs.
    pub(crate) fn new(due: Clock, seconds: u16) -> Self {
        let curve = Curve::with_capacity(seconds);
        Self { due, curve, final_output: None, name: None, told: None }
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
        if let Some(name) = &sample.name {
            let later = self
                .name
                .as_ref()
                .is_none_or(|(device_ms, last)| (*device_ms, last) < (sample.device_ms, name));
            match &mut self.name {
                // Nearly always the same name again, which needs no copy.
                Some((device_ms, last)) if later && last == name => *device_ms = sample.device_ms,
                slot if later => {
                    *slot = Some((sample.device_ms, name.clone()));
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

    /// Tells what the ride comes to: its outputs, what was told before, and what stands now.
    pub(crate) fn tell(&mut self) -> (Record, Option<RideResult>, RideResult) {
        let (record, before) = match self.told.take() {
            Some((record, result)) => (record, Some(result)),
            None => (mem::take(&mut self.curve).into(), None),
        };
        let result = self.result(&record);
        self.told = Some((record.clone(), result.clone()));
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
            name: self.name.as_ref().map(|(_, name)| name.clone()),
            final_output: self.final_output,
            best: Output(best),
            total: Output(total),
            seconds,
        }
    }
}
