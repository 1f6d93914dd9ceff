//! The events that a load test sends.

use super::super::batch::Batch;
use super::super::recorded::{RecordedError, RecordedEvents};
use super::super::workload::Workload;

/// The events that a load test sends.
#[derive(Clone, Debug)]
pub enum EventSource {
    /// Simulated racing.
    Simulated(Workload),
    /// The events of files.
    Recorded(RecordedEvents),
}

/// Batches in order, each with the arrival of the first line of the source, in ms since the epoch.
pub(super) type Batches<'a> = Box<dyn Iterator<Item = Result<(u64, Batch), RecordedError>> + 'a>;

impl EventSource {
    /// The expected number of events, if it is known in advance.
    pub fn expected(&self) -> Option<u64> {
        match self {
            Self::Simulated(workload) => Some(workload.expected_lines()),
            Self::Recorded(_) => None,
        }
    }

    /// Whether standings show the events once they are acknowledged. Recorded events may be of races
    /// that ended long ago.
    pub(super) fn are_shown(&self) -> bool {
        matches!(self, Self::Simulated(_))
    }

    /// All batches, up to and including the first error.
    pub(super) fn batches(&self) -> Batches<'_> {
        match self {
            Self::Simulated(workload) => {
                let batches = (0..workload.races()).flat_map(|race| workload.race_batches(race));
                Box::new(batches.map(|batch| Ok((workload.parameters.start_ms, batch))))
            }
            Self::Recorded(recorded) => {
                let mut start_ms = None;
                Box::new(recorded.batches().map(move |batch| {
                    let batch = batch?;
                    // Lines before the first one with a time have the arrival 0.
                    let first = batch.ends.iter().map(|(ms, _)| *ms).find(|ms| *ms > 0);
                    start_ms = start_ms.or(first);
                    Ok((start_ms.unwrap_or_default(), batch))
                }))
            }
        }
    }
}
