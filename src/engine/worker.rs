//! One worker of a service: drains its commands, drives the graph, answers queries.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::Instant;

use hashbrown::HashMap;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::generic::operator::source;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::dataflow::{InputHandle, Stream};
use timely::scheduling::Activator;
use timely::worker::Worker;
use tokio::sync::oneshot;
use velodrome_dataflows::{
    Answer, Ask, Ban, Change, Clock, Inputs, Mode, Rules, Sample, Tracking, Viewed, graph, queries,
};

use super::outlet::Outlet;
use super::service::{Command, Events, Inbox};
use super::sinks::{Unsaved, feed, keep};
use crate::log::TICK_MS;

/// Commands that are taken before the graph is driven again: some ticks' worth, so that neither
/// answers nor rides wait for a long queue.
const COMMANDS_AT_ONCE: usize = 64;

/// What the workers of a service share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) rules: Rules,
    /// Written by worker 0.
    pub(super) outlet: Arc<Outlet>,
    pub(super) unsaved: Arc<Unsaved>,
}

type Input<D> = InputHandle<Clock, CapacityContainerBuilder<Vec<D>>>;

/// Who waits for an answer, by the query's id.
type Replies = Rc<RefCell<HashMap<u64, oneshot::Sender<(Clock, Answer)>>>>;

/// Where queries enter the graph, at the time that is complete.
struct Asks {
    queue: Rc<RefCell<VecDeque<Ask>>>,
    /// The time of the next queries; none once no more come.
    time: Rc<Cell<Option<Clock>>>,
    activator: Rc<RefCell<Option<Activator>>>,
}

impl Asks {
    fn wake(&self) {
        if let Some(activator) = self.activator.borrow().as_ref() {
            activator.activate();
        }
    }

    /// Unlike an input handle's, what an operator sends is handed to the other workers at once.
    fn stream<'scope>(
        &self,
        scope: timely::dataflow::Scope<'scope, Clock>,
    ) -> Stream<'scope, Clock, Vec<Ask>> {
        let (queue, time) = (Rc::clone(&self.queue), Rc::clone(&self.time));
        let slot = Rc::clone(&self.activator);
        source::<_, CapacityContainerBuilder<Vec<Ask>>, _, _>(scope, "Asks", |capability, info| {
            *slot.borrow_mut() = Some(scope.activator_for(info.address));
            let mut capability = Some(capability);
            move |output| match (time.get(), &mut capability) {
                (Some(time), Some(capability)) => {
                    capability.downgrade(&time);
                    output.session(capability).give_iterator(queue.borrow_mut().drain(..));
                }
                _ => capability = None,
            }
        })
    }
}

/// The worker's ends of the graph.
struct Ends {
    samples: Input<Sample>,
    tracking: Input<Tracking>,
    bans: Input<Ban>,
    /// Until all was restored.
    restoring: Option<(Input<Change>, Input<Viewed>)>,
    asks: Asks,
    replies: Replies,
    asked: u64,
    worker: usize,
}

/// Runs until the commands end.
pub(super) fn run(worker: &mut Worker, inbox: &Inbox, shared: &Shared) {
    let (mut samples, mut tracking) = (InputHandle::new(), InputHandle::new());
    let (mut changes, mut viewed) = (InputHandle::new(), InputHandle::new());
    let mut bans = InputHandle::new();
    let asks =
        Asks { queue: Rc::default(), time: Rc::new(Cell::new(Some(0))), activator: Rc::default() };
    let (probe, replies) = (Handle::new(), Replies::default());
    worker.dataflow_named("Service", |scope| {
        let inputs = Inputs {
            samples: samples.to_stream(scope),
            tracking: tracking.to_stream(scope),
            changes: changes.to_stream(scope),
            viewed: viewed.to_stream(scope),
            bans: bans.to_stream(scope),
        };
        let graph = graph(inputs, shared.rules.clone(), Mode::Service);
        let (changes, viewed) = (graph.changes.clone(), graph.viewed.clone());
        keep(changes, viewed, Arc::clone(&shared.unsaved)).probe_with(&probe);
        feed(graph.changes, graph.viewed, Arc::clone(&shared.outlet)).probe_with(&probe);
        let arranged = graph.arranged.probe_with(&probe);
        let answers = queries(asks.stream(scope), arranged, graph.traces);
        reply(answers, Rc::clone(&replies));
    });
    let restoring = Some((changes, viewed));
    let worker_index = worker.index();
    let mut ends =
        Ends { samples, tracking, bans, restoring, asks, replies, asked: 0, worker: worker_index };
    let ticks = metrics::histogram!("velodrome_tick_seconds");
    let (mut complete, mut ticked) = (0, None);
    loop {
        let mut taken = 0;
        while taken < COMMANDS_AT_ONCE {
            match inbox.take() {
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => {
                    ends.asks.time.set(None);
                    ends.asks.wake();
                    return;
                }
                Ok(command) => {
                    if matches!(command, Command::Advance(_)) {
                        ticked = ticked.or_else(|| Some(Instant::now()));
                    }
                    ends.take(command);
                }
                Err(TryRecvError::Empty) => break,
            }
            taken += 1;
        }
        if taken > 0 {
            worker.step();
        } else {
            worker.step_or_park(None);
        }
        let frontier = probe.with_frontier(|frontier| frontier.first().copied());
        let now = frontier.unwrap_or_default().saturating_sub(1);
        if now > complete {
            complete = now;
            // No answer is of a time that was never told: others may be about to take this one's place.
            if worker_index != 0 || shared.outlet.complete(complete) {
                ends.asks.time.set(Some(complete));
            }
            ends.asks.wake();
            if let Some(ticked) = ticked.take() {
                ticks.record(ticked.elapsed());
            }
        }
    }
}

impl Ends {
    fn take(&mut self, command: Command) {
        match command {
            Command::Restore(mut changes, mut viewed) => {
                if let Some((to_changes, to_viewed)) = &mut self.restoring {
                    to_changes.send_batch(&mut changes);
                    to_viewed.send_batch(&mut viewed);
                }
            }
            Command::Events(time, Events { mut samples, mut tracking }) => {
                self.advance(time);
                self.samples.send_batch(&mut samples);
                self.tracking.send_batch(&mut tracking);
            }
            Command::Advance(time) => self.advance(time),
            Command::Ban(mut bans, reply) => {
                self.bans.send_batch(&mut bans);
                // Who asked may have gone; the bans hold all the same.
                reply.send(*self.bans.time()).unwrap_or_default();
            }
            Command::Ask(query, reply) => {
                self.asked += 1;
                self.replies.borrow_mut().insert(self.asked, reply);
                let ask = Ask { worker: self.worker, id: self.asked, query };
                self.asks.queue.borrow_mut().push_back(ask);
                self.asks.wake();
            }
            Command::Stop => {}
        }
    }

    fn advance(&mut self, time: Clock) {
        // The first time of events ends the restoring, which is at time 0.
        drop(mem::take(&mut self.restoring));
        let time = time.next_multiple_of(TICK_MS).max(*self.samples.time());
        self.samples.advance_to(time);
        self.tracking.advance_to(time);
        self.bans.advance_to(time);
    }
}

/// Hands each answer to whoever waits for it.
fn reply(answers: Stream<'_, Clock, Vec<(u64, Clock, Answer)>>, replies: Replies) {
    answers.unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, "Reply", move |_, _| {
        move |input, _| {
            input.for_each(|_, answers| {
                for (id, time, answer) in answers.drain(..) {
                    if let Some(reply) = replies.borrow_mut().remove(&id) {
                        // Who asked may have gone; then nobody is waiting.
                        reply.send((time, answer)).unwrap_or_default();
                    }
                }
            });
        }
    });
}
