//! The dataflow between workers and the sequencer: reports to worker 0, times back to all workers.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::Operator;

use super::batch_report::BatchReport;
use super::sequencer::{BatchTimes, Sequencer};

/// The operator has no output records, only a frontier.
type NoOutput = CapacityContainerBuilder<Vec<()>>;

/// The times that this worker has received and not used yet, in order.
pub(super) type TimesQueue = Rc<RefCell<VecDeque<BatchTimes>>>;

/// Sends the reports of all workers, each with its sender's index, to `sequencer`, and adds the times
/// for this worker to `queue`. The returned stream ends when all workers have received all times.
pub(super) fn sequence<'scope>(
    reports: Stream<'scope, u64, Vec<(usize, BatchReport)>>,
    sequencer: Rc<RefCell<Sequencer>>,
    queue: TimesQueue,
) -> Stream<'scope, u64, Vec<()>> {
    reports
        .unary_frontier(Exchange::new(|_| 0), "Sequencer", move |capability, _| {
            // The timestamps of this dataflow have no meaning, so one capability serves all answers
            // until the reports end.
            let mut capability = Some(capability);
            let mut times = Vec::new();
            move |(input, frontier), output| {
                let mut sequencer = sequencer.borrow_mut();
                input.for_each(|_, reports| {
                    for (from, report) in reports.drain(..) {
                        sequencer.push(from, report, &mut times);
                    }
                });
                if frontier.is_empty() {
                    sequencer.flush(&mut times);
                }
                if let Some(capability) = &capability {
                    output.session(capability).give_iterator(times.drain(..));
                }
                if frontier.is_empty() {
                    capability = None;
                }
            }
        })
        .unary::<NoOutput, _, _, _>(
            Exchange::new(|times: &BatchTimes| times.to as u64),
            "BatchTimes",
            move |_, _| {
                move |input, _| {
                    input.for_each(|_, times| queue.borrow_mut().extend(times.drain(..)))
                }
            },
        )
}
