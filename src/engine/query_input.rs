//! Sends queries into a worker's graph, and answers from it to the callers.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use hashbrown::HashMap;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::generic::operator::source;
use timely::dataflow::{Scope, Stream};
use timely::scheduling::Activator;
use tokio::sync::oneshot;
use velodrome_dataflows::{Answer, EventTime, Query, QueryRequest};

/// The channel for a query's reply: the answer and the time as of which it was evaluated.
type Reply = oneshot::Sender<(EventTime, Answer)>;

/// The queries of one worker. Each enters the graph at the complete time.
pub(super) struct QueryInput {
    /// The index of this worker, which receives the answers.
    worker: usize,
    queue: Rc<RefCell<VecDeque<QueryRequest>>>,
    /// The time as of which later queries are evaluated; `None` once the stream has ended.
    time: Rc<Cell<Option<EventTime>>>,
    activator: Rc<RefCell<Option<Activator>>>,
    /// The reply channels of open queries, by query id.
    replies: Rc<RefCell<HashMap<u64, Reply>>>,
    last_id: u64,
}

impl QueryInput {
    /// The queries of worker `worker`, at first as of time 0.
    pub(super) fn new(worker: usize) -> Self {
        Self {
            worker,
            queue: Rc::default(),
            time: Rc::new(Cell::new(Some(0))),
            activator: Rc::default(),
            replies: Rc::default(),
            last_id: 0,
        }
    }

    /// Queues a query.
    pub(super) fn push(&mut self, query: Query, reply: Reply) {
        self.last_id += 1;
        self.replies.borrow_mut().insert(self.last_id, reply);
        let request = QueryRequest { worker: self.worker, id: self.last_id, query };
        self.queue.borrow_mut().push_back(request);
        self.activate();
    }

    /// Sets the time of later queries.
    pub(super) fn set_time(&self, time: EventTime) {
        self.time.set(Some(time));
    }

    /// Ends the stream of queries.
    pub(super) fn close(&self) {
        self.time.set(None);
        self.activate();
    }

    /// Schedules the operator that emits the queries.
    pub(super) fn activate(&self) {
        if let Some(activator) = self.activator.borrow().as_ref() {
            activator.activate();
        }
    }

    /// The stream of queries.
    ///
    /// A source operator emits the queries instead of an input handle. Timely sends an operator's output
    /// to other workers at once, but that of an input handle only when the handle advances.
    pub(super) fn stream<'scope>(
        &self,
        scope: Scope<'scope, EventTime>,
    ) -> Stream<'scope, EventTime, Vec<QueryRequest>> {
        let (queue, time) = (Rc::clone(&self.queue), Rc::clone(&self.time));
        let slot = Rc::clone(&self.activator);
        source::<_, CapacityContainerBuilder<Vec<QueryRequest>>, _, _>(
            scope,
            "Queries",
            |capability, info| {
                *slot.borrow_mut() = Some(scope.activator_for(info.address));
                let mut capability = Some(capability);
                move |output| match (time.get(), &mut capability) {
                    (Some(time), Some(capability)) => {
                        capability.downgrade(&time);
                        output.session(capability).give_iterator(queue.borrow_mut().drain(..));
                    }
                    _ => capability = None,
                }
            },
        )
    }

    /// Sends each answer to the caller that waits for it.
    pub(super) fn reply_with(&self, answers: Stream<'_, EventTime, Vec<(u64, EventTime, Answer)>>) {
        type NoOutput = CapacityContainerBuilder<Vec<()>>;
        let replies = Rc::clone(&self.replies);
        answers.unary::<NoOutput, _, _, _>(Pipeline, "Reply", move |_, _| {
            move |input, _| {
                input.for_each(|_, answers| {
                    for (id, time, answer) in answers.drain(..) {
                        if let Some(reply) = replies.borrow_mut().remove(&id) {
                            // The caller may have stopped waiting.
                            reply.send((time, answer)).unwrap_or_default();
                        }
                    }
                });
            }
        });
    }
}
