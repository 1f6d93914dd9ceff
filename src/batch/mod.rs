//! The batch: computes the results in one pass over the inputs with hash maps, without dataflow.
//!
//! It is the oracle and the performance baseline of the replay. Batch and replay share input listing,
//! decompression, the wording of rejections, and result writing. Line splitting, decoding, the event
//! clock and all rules of the results are implemented here independently, as simply as possible.

mod aggregates;
mod clock;
mod decode;
mod event;
mod fields;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod partition;
mod ride;
mod source;
mod texts;
mod views;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroUsize;
use std::ops::Range;

use velodrome_dataflows::{EventTime, Rules};

use crate::ingest::dead_letters::DeadLetterFile;
use crate::ingest::run_inputs::RunInputs;
use crate::results::Results;
use crate::results::summary::Summary;

use aggregates::Aggregates;
use event::Content;
use partition::Partition;

/// Computes the results of all lines of `inputs`, in order. Several partitions are merged by their event
/// clocks; at equal times the first partition is first. The returned summary does not have the cost of the
/// run yet.
///
/// The results are as of the event time `as_of`, or of the last event if it is `None`. An event that would
/// start a ride while `open_rides_max` are open is rejected. Rejected lines and damaged inputs are written
/// to `dead_letters` and do not end the run.
pub fn run(
    inputs: &RunInputs,
    rules: Rules,
    as_of: Option<EventTime>,
    open_rides_max: NonZeroUsize,
    dead_letters: &mut DeadLetterFile,
) -> (Results, Summary) {
    let until = as_of.unwrap_or(EventTime::MAX);
    let inputs_of = |range: &Range<usize>| inputs.inputs.get(range.clone()).unwrap_or_default();
    let partition = |range| Partition::new(inputs_of(range), rules.race_seconds);
    let mut partitions: Vec<_> = inputs.partitions.iter().map(partition).collect();
    let aggregates = Aggregates::new(rules, open_rides_max.get());
    let first = |(index, partition): (usize, &mut Partition<'_>)| {
        Some(Reverse((partition.next_time(&aggregates)?, index)))
    };
    let mut next: BinaryHeap<_> = partitions.iter_mut().enumerate().filter_map(first).collect();
    let summary = Summary { workers: 1, processes: 1, ..Summary::default() };
    let mut totals = Totals { aggregates, summary, dead_letters };
    while let Some(Reverse((time, index))) = next.pop()
        && time <= until
        && let Some(partition) = partitions.get_mut(index)
    {
        partition.take().into_iter().for_each(|(clock, content)| totals.add(clock, content));
        let time = partition.next_time(&totals.aggregates);
        next.extend(time.map(|time| Reverse((time, index))));
    }
    totals.finish(until)
}

/// The results and counts so far.
struct Totals<'a> {
    aggregates: Aggregates,
    summary: Summary,
    dead_letters: &'a mut DeadLetterFile,
}

impl Totals<'_> {
    /// Adds a line at its time on the event clock.
    fn add(&mut self, clock: EventTime, content: Content) {
        let content = match content {
            Content::Opening(sample, letter) => {
                match self.aggregates.exceeds_bound(clock, &sample) {
                    true => Content::Rejected(letter),
                    false => Content::Race(sample),
                }
            }
            content => content,
        };
        match &content {
            Content::Rejected(letter) => {
                self.summary.rejected += 1;
                letter.reject(self.dead_letters);
            }
            Content::Damaged(letter) => {
                self.summary.damaged += 1;
                letter.damage(self.dead_letters);
            }
            _ => self.summary.events += 1,
        }
        self.aggregates.add(clock, content);
    }

    fn finish(self, until: EventTime) -> (Results, Summary) {
        let Self { aggregates, mut summary, .. } = self;
        summary.late = aggregates.late();
        let results = aggregates.into_results(until);
        summary.rides = results.rides.len() as u64;
        summary.records = results.record_count();
        (results, summary)
    }
}
