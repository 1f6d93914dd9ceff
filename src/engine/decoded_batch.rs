//! A batch of decoded events: up to a few megabytes of a unit.

use velodrome_dataflows::{Sample, Tracking};

use super::run_admission::REJECTED;

/// The events of a batch.
///
/// Until the sequencer has assigned clocks, the `clock` field of an event has a temporary value: its
/// index in the `time_marks` of the batch's report.
#[derive(Debug, Default)]
pub(super) struct DecodedBatch {
    pub(super) samples: Vec<Sample>,
    pub(super) tracking: Vec<Tracking>,
    /// The memory of the batch and its report, measured in bytes of their lines.
    pub(super) bytes: usize,
}

impl DecodedBatch {
    /// Removes the events and sets their clocks from `event_times`, without those that the bound on open
    /// rides rejects. The batch's memory can then be reused.
    pub(super) fn drain_stamped(
        &mut self,
        event_times: &[u64],
    ) -> (impl Iterator<Item = Sample>, impl Iterator<Item = Tracking>) {
        self.bytes = 0;
        let at = |index: u64| event_times.get(index as usize).copied().unwrap_or_default();
        let samples =
            self.samples.drain(..).map(move |sample| Sample { clock: at(sample.clock), ..sample });
        (
            samples.filter(|sample| sample.clock != REJECTED),
            self.tracking.drain(..).map(move |event| Tracking { clock: at(event.clock), ..event }),
        )
    }
}
