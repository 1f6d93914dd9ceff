//! Reads one of several partitions in a thread of its own, ahead of the merge.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use indicatif::ProgressBar;

use super::batch_reader::BatchReader;
use super::batch_report::BatchReport;
use super::clocked_batches::ClockedBatches;
use super::decoded_batch::DecodedBatch;
use super::known_rides::KnownRides;
use super::plan::Plan;

/// The bytes of the lines of a batch. A partition has about four batches in memory.
const BATCH_BYTES: usize = 256 << 10;

/// A batch of a partition.
#[derive(Debug)]
pub(super) struct ClockedBatch {
    pub(super) batch: DecodedBatch,
    /// The report of the batch. All its samples are candidates. The lines of its candidates and rejects are
    /// numbers in their inputs, from 0.
    pub(super) report: BatchReport,
    /// The partition's clock at each time mark.
    pub(super) event_times: Vec<u64>,
}

/// Starts to read the units `units` of `plan`. The batches are received in order.
pub(super) fn read_partition(
    plan: &Arc<Plan>,
    units: Range<usize>,
    progress: &ProgressBar,
) -> Receiver<ClockedBatch> {
    let (sender, batches) = sync_channel(1);
    let (plan, progress) = (Arc::clone(plan), progress.clone());
    thread::spawn(move || {
        // The merge needs no further batches when it has dropped the receiver.
        _ = read(&plan, units, &progress, &sender);
    });
    batches
}

/// Reads all units. Returns `None` as soon as the receiver is dropped.
fn read(
    plan: &Plan,
    units: Range<usize>,
    progress: &ProgressBar,
    sender: &SyncSender<ClockedBatch>,
) -> Option<()> {
    let mut waiting = ClockedBatches::default();
    let (mut input, mut lines) = (None, 0);
    // The merge knows which rides are open.
    let known = KnownRides::none();
    for number in units {
        let unit = *plan.units.get(number)?;
        let mut reader = BatchReader::open(
            number,
            unit,
            plan.inputs.get(unit.input)?,
            plan.race_seconds,
            progress,
        );
        if input.replace(unit.input) != Some(unit.input) {
            lines = 0;
        }
        let mut is_last = false;
        while !is_last {
            let mut batch = DecodedBatch::default();
            let mut report = reader.read(&mut batch, Vec::new(), BATCH_BYTES, &known);
            report.rejects.iter_mut().for_each(|reject| reject.line += lines);
            report.candidates.advance_lines(lines);
            lines += report.lines;
            is_last = report.is_last;
            waiting.push(batch, report);
            send_ready(&mut waiting, sender)?;
        }
    }
    waiting.flush();
    send_ready(&mut waiting, sender)
}

/// Sends the batches whose clocks are known.
fn send_ready(
    waiting: &mut ClockedBatches<DecodedBatch>,
    sender: &SyncSender<ClockedBatch>,
) -> Option<()> {
    while let Some((batch, report, event_times)) = waiting.pop() {
        sender.send(ClockedBatch { batch, report, event_times }).ok()?;
    }
    Some(())
}
