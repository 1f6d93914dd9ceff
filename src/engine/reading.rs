//! Reading: each worker reads and decodes its share of the inputs and hands it over, in the order and at the
//! clocks that the sequencer tells.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use timely::dataflow::InputHandle;
use timely::dataflow::operators::probe::Probe;
use timely::worker::Worker;
use velodrome_dataflows::Clock;

use super::piece::{Piece, Reader};
use super::plan::Plan;
use super::progress::Progress;
use super::sequencer::{Sequencer, Stamps, sequence};
use crate::ingest::dead_letters::DeadLetters;

/// A worker reads ahead of the sequencer until it holds so many bytes of lines: enough that workers
/// can read neighbouring compressed objects side by side.
const AHEAD_BYTES_MAX: usize = 256 << 20;

/// What takes the events that are read.
pub(super) trait Intake {
    /// Goes on to a logical time, which is later than all before.
    fn advance_to(&mut self, time: Clock);

    /// Takes a piece's events at the clocks that are theirs, up to those at `until`; leaves the piece empty.
    fn take(&mut self, piece: &mut Piece, clocks: &[Clock], until: Clock);

    /// Lets go of what distinguishes times that have passed.
    fn compact(&mut self);
}

/// Reads this worker's share of `plan` into `intake`, until all workers have read all that counts; returns
/// the sequencer, which on worker 0 has counted.
pub(super) fn read_all(
    worker: &mut Worker,
    plan: &Arc<Plan>,
    dead_letters: Option<DeadLetters>,
    progress: &Progress,
    intake: &mut impl Intake,
) -> Rc<RefCell<Sequencer>> {
    let sequencer = Sequencer::new(Arc::clone(plan), worker.peers(), dead_letters);
    let sequencer = Rc::new(RefCell::new(sequencer));
    let (stamps, mut reports) = (Stamps::default(), InputHandle::<u64, _>::new());
    let told_all = worker.dataflow_named("Order", |scope| {
        let reports = reports.to_stream(scope);
        sequence(reports, Rc::clone(&sequencer), Rc::clone(&stamps)).probe().0
    });

    let mut reports = Some(reports);
    let mut reader: Option<Reader> = None;
    // Pieces that were read, until the clock of their events is known.
    let (mut ahead, mut ahead_bytes) = (VecDeque::<Piece>::new(), 0);
    // Pieces and clocks that were handed over: fresh memory costs more than decoding into it.
    let mut spare: Vec<(Piece, Vec<u64>)> = Vec::new();
    loop {
        for stamp in stamps.borrow_mut().drain(..) {
            intake.advance_to(stamp.time);
            if let Some(clocks) = stamp.clocks
                && let Some(mut piece) = ahead.pop_front()
            {
                ahead_bytes -= piece.bytes;
                intake.take(&mut piece, &clocks, plan.until());
                spare.push((piece, clocks));
            }
            if stamp.is_last {
                (reader, reports) = (None, None);
            }
        }
        intake.compact();
        if told_all.done() {
            return sequencer;
        }
        let Some(to_sequencer) = reports.as_mut().filter(|_| ahead_bytes < AHEAD_BYTES_MAX) else {
            worker.step_or_park(None);
            continue;
        };
        if reader.is_none() {
            reader = plan.take().map(|(number, unit, input)| {
                Reader::open(number, unit, input, plan.race_seconds, &progress.bytes)
            });
        }
        match &mut reader {
            Some(open) => {
                let (mut piece, times) = spare.pop().unwrap_or_default();
                let report = open.next_piece(&mut piece, times);
                if report.last {
                    reader = None;
                }
                progress.count(piece.samples.len() + piece.tracking.len());
                ahead_bytes += piece.bytes;
                ahead.push_back(piece);
                to_sequencer.send((worker.index(), report));
                // Only a new time hands the report over to another worker.
                to_sequencer.advance_to(to_sequencer.time() + 1);
            }
            None => reports = None,
        }
        worker.step();
    }
}
