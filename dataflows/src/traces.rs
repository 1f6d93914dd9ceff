//! Reading and compacting the traces of one worker.

use std::ops::ControlFlow;

use differential_dataflow::difference::{IsZero, Semigroup};
use differential_dataflow::trace::cursor::{
    BatchCursor, BatchDiff, BatchKey, BatchVal, cursor_list,
};
use differential_dataflow::trace::{Cursor, Navigable, TraceReader};
use timely::progress::Antichain;
use timely::progress::frontier::AntichainRef;

use crate::values::EventTime;

/// Sets both compaction frontiers of a trace: the logical one to `read`, the physical one to `arranged`.
pub(crate) fn compact<Tr: TraceReader<Time = EventTime>>(
    trace: &mut Tr,
    read: AntichainRef<'_, EventTime>,
    arranged: AntichainRef<'_, EventTime>,
) {
    trace.set_logical_compaction(read);
    trace.set_physical_compaction(arranged);
}

/// Visits the rows of a trace as of time `at`, starting at key `from`, or at the first key if `from` is
/// `None`.
///
/// Keys are ascending, and within a key values are ascending. Each row comes with the sum of its
/// differences up to `at`; rows whose sum is zero are skipped. The visit ends early when `visit`
/// breaks. `at` must not be before the trace's logical compaction frontier.
///
/// ```
/// use std::ops::ControlFlow::Continue;
/// use timely::dataflow::InputHandle;
/// use timely::dataflow::operators::probe::Probe;
/// use velodrome_dataflows::{Ban, Change, bans, read_trace};
///
/// let read = timely::execute_directly(|worker| {
///     let mut input = InputHandle::new();
///     let (mut trace, probe) = worker.dataflow(|scope| {
///         let arranged = bans(input.to_stream(scope));
///         (arranged.trace, arranged.stream.probe().0)
///     });
///     input.send(Change::Ban(Ban { racer: 5, is_banned: true }));
///     input.advance_to(10);
///     input.send(Change::Ban(Ban { racer: 6, is_banned: true }));
///     input.advance_to(20);
///     worker.step_or_park_while(None, || probe.less_than(&20));
///     [9, 10].map(|time| {
///         let mut racers = Vec::new();
///         read_trace(&mut trace, time, None, |racer, (), _count| {
///             racers.push(*racer);
///             Continue(())
///         });
///         racers
///     })
/// });
/// assert_eq!(read, [vec![5], vec![5, 6]]);
/// ```
pub fn read_trace<Tr>(
    trace: &mut Tr,
    at: EventTime,
    from: Option<BatchKey<'_, Tr>>,
    mut visit: impl FnMut(BatchKey<'_, Tr>, BatchVal<'_, Tr>, BatchDiff<Tr>) -> ControlFlow<()>,
) where
    Tr: TraceReader<Time = EventTime, Batch: Navigable>,
    BatchCursor<Tr>: Cursor<Time = EventTime>,
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
