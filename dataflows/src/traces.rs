//! Reading and compacting the traces of one worker.

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
    /// Lets the traces forget what distinguished times before `time`, and merge what lies before it.
    ///
    /// Without it they grow with every update. Reads are possible from `time` on only.
    pub fn compact(&mut self, time: Clock) {
        compact(&mut self.records, time);
        compact(&mut self.results, time);
        compact(&mut self.leaderboard, time);
        compact(&mut self.views, time);
    }
}

fn compact<Tr: TraceReader<Time = Clock>>(trace: &mut Tr, time: Clock) {
    trace.set_logical_compaction(AntichainRef::new(&[time]));
    trace.set_physical_compaction(AntichainRef::new(&[time]));
}

/// Visits all that a trace holds, keys ascending, within a key values ascending, each with the sum
/// of its differences. What sums to nothing is left out.
pub fn read<Tr>(
    trace: &mut Tr,
    mut visit: impl FnMut(BatchKey<'_, Tr>, BatchVal<'_, Tr>, BatchDiff<Tr>),
) where
    Tr: TraceReader<Time = Clock, Batch: Navigable>,
    BatchCursor<Tr>: Cursor<Time = Clock>,
{
    let Some(batches) = trace.batches_through(Antichain::new().borrow()) else { return };
    let (mut cursor, storage) = cursor_list(batches);
    while let Some(key) = cursor.get_key(&storage) {
        while let Some(value) = cursor.get_val(&storage) {
            let mut sum: Option<BatchDiff<Tr>> = None;
            cursor.map_times(&storage, |_, diff| {
                let diff = <BatchCursor<Tr> as Cursor>::owned_diff(diff);
                match &mut sum {
                    Some(sum) => sum.plus_equals(&diff),
                    None => sum = Some(diff),
                }
            });
            if let Some(sum) = sum.filter(|sum| !sum.is_zero()) {
                visit(key, value, sum);
            }
            cursor.step_val(&storage);
        }
        cursor.step_key(&storage);
    }
}
