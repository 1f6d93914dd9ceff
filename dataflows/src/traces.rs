//! Reading and compacting the traces of one worker.

use std::ops::ControlFlow;

use differential_dataflow::difference::{IsZero, Semigroup};
use differential_dataflow::trace::cursor::{
    BatchCursor, BatchDiff, BatchKey, BatchVal, cursor_list,
};
use differential_dataflow::trace::{Cursor, Navigable, TraceReader};
use timely::progress::Antichain;
use timely::progress::frontier::AntichainRef;

use crate::event::Clock;
use crate::graph::Traces;

impl Traces {
    /// Lets the traces forget what distinguished times before `read`, and merge what lies before
    /// `arranged`.
    ///
    /// Without it they grow with every update. Reads are possible at `read` and later only.
    pub fn compact(&mut self, read: AntichainRef<'_, Clock>, arranged: AntichainRef<'_, Clock>) {
        compact(&mut self.records, read, arranged);
        compact(&mut self.results, read, arranged);
        compact(&mut self.leaderboard, read, arranged);
        compact(&mut self.names, read, arranged);
        compact(&mut self.views, read, arranged);
        compact(&mut self.bans, read, arranged);
    }
}

pub(crate) fn compact<Tr: TraceReader<Time = Clock>>(
    trace: &mut Tr,
    read: AntichainRef<'_, Clock>,
    arranged: AntichainRef<'_, Clock>,
) {
    trace.set_logical_compaction(read);
    trace.set_physical_compaction(arranged);
}

/// Visits what a trace holds at time `at`, from key `from` on or from the first: keys ascending,
/// within a key values ascending, each with the sum of its differences. What sums to nothing is left
/// out; the visit ends early where `visit` breaks.
pub fn read<Tr>(
    trace: &mut Tr,
    at: Clock,
    from: Option<BatchKey<'_, Tr>>,
    mut visit: impl FnMut(BatchKey<'_, Tr>, BatchVal<'_, Tr>, BatchDiff<Tr>) -> ControlFlow<()>,
) where
    Tr: TraceReader<Time = Clock, Batch: Navigable>,
    BatchCursor<Tr>: Cursor<Time = Clock>,
{
    let Some(batches) = trace.batches_through(Antichain::new().borrow()) else { return };
    let (mut cursor, storage) = cursor_list(batches);
    if let Some(from) = from {
        cursor.seek_key(&storage, from);
    }
    while let Some(key) = cursor.get_key(&storage) {
        while let Some(value) = cursor.get_val(&storage) {
            let mut sum: Option<BatchDiff<Tr>> = None;
            cursor.map_times(&storage, |time, diff| {
                if <BatchCursor<Tr> as Cursor>::owned_time(time) > at {
                    return;
                }
                let diff = <BatchCursor<Tr> as Cursor>::owned_diff(diff);
                match &mut sum {
                    Some(sum) => sum.plus_equals(&diff),
                    None => sum = Some(diff),
                }
            });
            if let Some(sum) = sum.filter(|sum| !sum.is_zero())
                && visit(key, value, sum).is_break()
            {
                return;
            }
            cursor.step_val(&storage);
        }
        cursor.step_key(&storage);
    }
}
