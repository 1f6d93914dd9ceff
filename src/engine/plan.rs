//! The plan of a run: its inputs, cut into units, and the units that this process reads.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use velodrome_dataflows::{EventTime, Rules, Scoring};

use crate::ingest::inputs::{Input, InputKind, Origin};
use crate::ingest::missing_segments::MissingSegments;
use crate::ingest::run_inputs::RunInputs;
use crate::ingest::units::{Unit, units};
use crate::store::Object;

/// The inputs and parameters of a run. All its workers and processes must have the same.
#[derive(Debug)]
pub struct Plan {
    /// The inputs, in order.
    pub inputs: Vec<Input>,
    /// Segments of a service's log that are missing among the inputs.
    pub missing: Vec<MissingSegments>,
    /// All rules that the run applies.
    pub(super) rules: Vec<Scoring>,
    /// The longest race of all rules of the run, in seconds.
    pub(super) race_seconds: u16,
    /// The maximum number of open rides.
    pub(super) open_rides_max: NonZeroUsize,
    /// Results are computed as of this time of the event clock, or from all events if it is `None`.
    pub as_of: Option<EventTime>,
    /// The units of all inputs, in order.
    pub(super) units: Vec<Unit>,
    /// The numbers of the units that this process reads.
    own_units: Vec<usize>,
    /// The units of each partition if several are merged, as ranges of `units`. Then worker 0 of process 0
    /// reads all of them, and `own_units` is empty.
    pub(super) merged: Vec<Range<usize>>,
    /// The index in `own_units` of the next unit to read.
    next: AtomicUsize,
}

impl Plan {
    /// The plan of process `process` of `processes`, as of the time `as_of` of the event clock.
    ///
    /// `rules` are all rules that the run applies, and at most `open_rides_max` rides are open. Processes
    /// read the units in turn; process 0 reads standard input, and all units if several partitions are
    /// merged.
    pub fn new(
        inputs: RunInputs,
        rules: &[&Rules],
        as_of: Option<EventTime>,
        open_rides_max: NonZeroUsize,
        process: usize,
        processes: usize,
    ) -> Self {
        let race_seconds = rules.iter().map(|rules| rules.race_seconds).max().unwrap_or_default();
        let rules = rules.iter().map(|rules| Scoring::from(Rules::clone(rules))).collect();
        let RunInputs { inputs, partitions, missing } = inputs;
        let units = units(&inputs);
        let merged = match &partitions[..] {
            [] | [_] => Vec::new(),
            several => several.iter().map(|range| units_of(&units, range)).collect(),
        };
        let reader = |(number, unit): (usize, &Unit)| match inputs.get(unit.input)?.origin {
            Origin::Stream(_) => Some((number, 0)),
            Origin::File(_) | Origin::Object(..) | Origin::Parts(_) => {
                Some((number, number % processes))
            }
        };
        let readers = units.iter().enumerate().filter_map(reader);
        let own_units = readers
            .filter(|(_, by)| *by == process && merged.is_empty())
            .map(|(number, _)| number)
            .collect();
        let next = AtomicUsize::new(0);
        Self {
            inputs,
            missing,
            rules,
            race_seconds,
            open_rides_max,
            as_of,
            units,
            own_units,
            merged,
            next,
        }
    }

    /// Whether several partitions are merged.
    pub fn is_merged(&self) -> bool {
        !self.merged.is_empty()
    }

    /// The end of the plan: the last time of the event clock whose events are included.
    pub(super) fn until(&self) -> EventTime {
        self.as_of.unwrap_or(EventTime::MAX)
    }

    /// The next unit for a worker of this process: its number, the unit and its input.
    pub(super) fn next_unit(&self) -> Option<(usize, Unit, &Input)> {
        let number = *self.own_units.get(self.next.fetch_add(1, Ordering::Relaxed))?;
        let unit = *self.units.get(number)?;
        Some((number, unit, self.inputs.get(unit.input)?))
    }

    /// A description of each input, in order. Processes compare them to detect different inputs.
    pub fn describe_inputs(&self) -> Vec<String> {
        let describe = |input: &Input| {
            let (name, bytes) = (input.name(), input.bytes);
            let name = name.escape_debug();
            match (&input.origin, input.kind) {
                (Origin::Stream(_), _) => format!("'{name}' (a stream)"),
                (Origin::Object(_, Object { etag: Some(etag), .. }), _) => {
                    format!("'{name}' ({bytes} bytes, ETag {etag})")
                }
                (_, InputKind::Parts(parts)) => format!("'{name}' ({parts} parts)"),
                (_, InputKind::Plain) => format!("'{name}' (plain lines, {bytes} bytes)"),
                (_, InputKind::Detect) => format!("'{name}' ({bytes} bytes)"),
            }
        };
        self.inputs.iter().map(describe).collect()
    }
}

/// The units of the inputs `range`.
fn units_of(units: &[Unit], range: &Range<usize>) -> Range<usize> {
    let before = |input| units.partition_point(|unit| unit.input < input);
    before(range.start)..before(range.end)
}
