//! A batch of decoded events: up to some megabytes of a unit.

use velodrome_dataflows::{Sample, Tracking};

/// The events of a batch.
///
/// Until the sequencer has run the event clock, the `clock` of an event is its index among the time
/// marks of the batch's report.
#[derive(Debug, Default)]
pub(super) struct DecodedBatch {
    pub(super) samples: Vec<Sample>,
    pub(super) tracking: Vec<Tracking>,
    /// Bytes of the lines that the batch and its report have in memory.
    pub(super) bytes: usize,
}

impl DecodedBatch {
    /// Removes the events, with their clocks taken from `event_times`. The memory can be used again for
    /// another batch.
    pub(super) fn drain_stamped(
        &mut self,
        event_times: &[u64],
    ) -> (impl Iterator<Item = Sample>, impl Iterator<Item = Tracking>) {
        self.bytes = 0;
        let at = |index: u64| event_times.get(index as usize).copied().unwrap_or_default();
        (
            self.samples.drain(..).map(move |sample| Sample { clock: at(sample.clock), ..sample }),
            self.tracking.drain(..).map(move |event| Tracking { clock: at(event.clock), ..event }),
        )
    }
}
