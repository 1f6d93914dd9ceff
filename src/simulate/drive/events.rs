//! What a drive sends.

use super::super::{Batch, Recorded, RecordedError, Workload};

/// Events to send.
#[derive(Clone, Debug)]
pub enum Events {
    /// Those of simulated racing.
    Simulated(Workload),
    /// Those of files.
    Recorded(Recorded),
}

/// Batches in order, each with when the first line of all arrives, in ms since the epoch.
pub(super) type Batches<'a> = Box<dyn Iterator<Item = Result<(u64, Batch), RecordedError>> + 'a>;

impl Events {
    /// About how many there are, where that is known before.
    pub fn expected(&self) -> Option<u64> {
        match self {
            Self::Simulated(workload) => Some(workload.expected_lines()),
            Self::Recorded(_) => None,
        }
    }

    /// Whether standings show them once they are acknowledged: what was recorded may be of races that are
    /// long over.
    pub(super) fn are_shown(&self) -> bool {
        matches!(self, Self::Simulated(_))
    }

    /// All of them.
    pub(super) fn batches(&self) -> Batches<'_> {
        match self {
            Self::Simulated(workload) => {
                let batches = (0..workload.races()).flat_map(|window| workload.window(window));
                Box::new(batches.map(|batch| Ok((workload.parameters.start_ms, batch))))
            }
            Self::Recorded(recorded) => {
                let mut start_ms = None;
                Box::new(recorded.batches().map(move |batch| {
                    let batch = batch?;
                    // 0 is a line that comes before the first that tells its time.
                    let told = batch.ends.iter().map(|(ms, _)| *ms).find(|ms| *ms > 0);
                    start_ms = start_ms.or(told);
                    Ok((start_ms.unwrap_or_default(), batch))
                }))
            }
        }
    }
}
