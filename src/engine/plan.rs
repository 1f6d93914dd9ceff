//! The plan of a run: what is read, in what order, by which process.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};

use velodrome_dataflows::{Clock, Rules};

use crate::ingest::inputs::{Input, Origin};
use crate::ingest::units::{Unit, units};

/// What all workers of a run agree on.
#[derive(Debug)]
pub struct Plan {
    /// The inputs, in order.
    pub inputs: Vec<Input>,
    /// The longest race of the rules, in seconds.
    pub(super) race_seconds: u16,
    /// The time of the event clock as of which the results are; without one they are of all events.
    as_of: Option<Clock>,
    /// What processes must agree on beside the inputs, as text.
    terms: String,
    /// The inputs cut into units, in order.
    pub(super) units: Vec<Unit>,
    /// The units of this process, by their number; the first `taken` are taken by its workers.
    share: Vec<usize>,
    taken: AtomicUsize,
}

impl Plan {
    /// The plan of process `process` of `processes` over `inputs`, whose events are judged under each of
    /// `rules`, as of the time `as_of` of the event clock.
    ///
    /// Units are dealt to the processes in turn; streams are process 0's.
    pub fn new(
        inputs: Vec<Input>,
        rules: &[&Rules],
        as_of: Option<Clock>,
        process: usize,
        processes: usize,
    ) -> Self {
        let race_seconds = rules.iter().map(|rules| rules.race_seconds).max().unwrap_or_default();
        let terms = format!("{rules:?} {as_of:?}");
        let units = units(&inputs);
        let reader = |(number, unit): (usize, &Unit)| match inputs.get(unit.input)?.origin {
            Origin::Stream(_) => Some((number, 0)),
            Origin::File(_) | Origin::Object(..) | Origin::Parts(_) => {
                Some((number, number % processes))
            }
        };
        let readers = units.iter().enumerate().filter_map(reader);
        let share = readers.filter(|(_, by)| *by == process).map(|(number, _)| number).collect();
        Self { inputs, race_seconds, as_of, terms, units, share, taken: AtomicUsize::new(0) }
    }

    /// The last time of the event clock whose events count.
    pub(super) fn until(&self) -> Clock {
        self.as_of.unwrap_or(Clock::MAX)
    }

    /// The next unit that a worker of this process is to read: its number, itself and its input.
    pub(super) fn take(&self) -> Option<(usize, Unit, &Input)> {
        let number = *self.share.get(self.taken.fetch_add(1, Ordering::Relaxed))?;
        let unit = *self.units.get(number)?;
        Some((number, unit, self.inputs.get(unit.input)?))
    }

    /// A hash by which processes find out whether they have the same plan.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for input in &self.inputs {
            (input.name(), input.bytes).hash(&mut hasher);
        }
        self.units.len().hash(&mut hasher);
        self.terms.hash(&mut hasher);
        hasher.finish()
    }
}
