//! One worker of a service: runs its commands, steps the graph and publishes what is complete.

use std::mem;
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::Instant;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::worker::Worker;
use velodrome_dataflows::{
    Ban, Change, EventTime, Inputs, Mode, Rules, Sample, Tracking, ViewChange, answer_queries,
    graph,
};

use super::command::{Command, Events};
use super::command_channel::CommandReceiver;
use super::live_updates::{live_updates, update_live_state};
use super::place::Place;
use super::query_input::QueryInput;
use super::reader_state::ReaderState;
use super::unsaved_changes::{UnsavedChanges, collect_unsaved};
use crate::log::TICK_MS;

/// The maximum number of commands that a worker runs between two steps of the graph. It covers several
/// ticks, and still lets queries and closing rides progress while the queue is long.
const COMMANDS_PER_STEP_MAX: usize = 64;

/// What the workers of a service in this process share.
#[derive(Clone, Debug)]
pub(super) struct WorkerContext {
    pub(super) rules: Rules,
    /// Updated by the first worker of the process.
    pub(super) reader_state: Arc<ReaderState>,
    pub(super) unsaved: Arc<UnsavedChanges>,
    pub(super) place: Place,
}

type Input<D> = InputHandle<EventTime, CapacityContainerBuilder<Vec<D>>>;

/// The inputs of a worker's graph.
struct ServiceInputs {
    samples: Input<Sample>,
    tracking: Input<Tracking>,
    bans: Input<Ban>,
    /// The inputs for a checkpoint's changes; `None` after the first event or advance.
    restore: Option<(Input<Change>, Input<ViewChange>)>,
    queries: QueryInput,
}

/// Runs a worker until it receives [`Command::Stop`] or all command senders are dropped.
pub(super) fn run(worker: &mut Worker, commands: &CommandReceiver, context: &WorkerContext) {
    let (mut inputs, probe) = build(worker, context);
    let is_first = worker.index() == context.place.process * context.place.workers;
    let tick_seconds = metrics::histogram!("velodrome_tick_seconds");
    // When the oldest advance with an incomplete tick was received.
    let mut advanced: Option<Instant> = None;
    let mut complete = 0;
    loop {
        match inputs.run_commands(commands, &mut advanced) {
            None => {
                inputs.queries.close();
                // Before the inputs: closed inputs would look complete to the workers of other processes.
                for dataflow in worker.installed_dataflows() {
                    worker.drop_dataflow(dataflow);
                }
                return;
            }
            Some(0) => _ = worker.step_or_park(None),
            Some(_) => _ = worker.step(),
        }
        let frontier = probe.with_frontier(|frontier| frontier.first().copied());
        let before_frontier = frontier.unwrap_or_default().saturating_sub(1);
        if before_frontier > complete {
            complete = before_frontier;
            // While readers are detached, evaluate queries as of the last time that readers saw.
            if !is_first || context.reader_state.publish_complete(complete) {
                inputs.queries.set_time(complete);
            }
            inputs.queries.activate();
            if let Some(advanced) = advanced.take() {
                tick_seconds.record(advanced.elapsed());
            }
        }
    }
}

/// Builds the graph of a service; the probe's frontier passes a time when it is complete on all workers.
fn build(worker: &mut Worker, context: &WorkerContext) -> (ServiceInputs, Handle<EventTime>) {
    let (mut samples, mut tracking) = (InputHandle::new(), InputHandle::new());
    let (mut saved_changes, mut saved_views) = (InputHandle::new(), InputHandle::new());
    let mut bans = InputHandle::new();
    let queries = QueryInput::new(worker.index());
    let probe = Handle::new();
    worker.dataflow_named("Service", |scope| {
        let inputs = Inputs {
            samples: samples.to_stream(scope),
            tracking: tracking.to_stream(scope),
            saved_changes: saved_changes.to_stream(scope),
            saved_views: saved_views.to_stream(scope),
            bans: bans.to_stream(scope),
        };
        let graph = graph(inputs, context.rules.clone(), Mode::Service);
        let (changes, view_changes) = (graph.changes.clone(), graph.view_changes.clone());
        collect_unsaved(changes, view_changes, Arc::clone(&context.unsaved)).probe_with(&probe);
        let reader_state = Arc::clone(&context.reader_state);
        let updates = live_updates(graph.changes, graph.view_changes, context.place);
        update_live_state(updates, reader_state).probe_with(&probe);
        let arranged = graph.arranged.probe_with(&probe);
        queries.reply_with(answer_queries(queries.stream(scope), arranged, graph.traces));
    });
    let restore = Some((saved_changes, saved_views));
    (ServiceInputs { samples, tracking, bans, restore, queries }, probe)
}

impl ServiceInputs {
    /// Runs commands until the queue is empty or [`COMMANDS_PER_STEP_MAX`] is reached. Returns their
    /// number, or `None` when the worker has to end.
    ///
    /// At an advance, sets `advanced` to the current instant unless it is already set.
    fn run_commands(
        &mut self,
        commands: &CommandReceiver,
        advanced: &mut Option<Instant>,
    ) -> Option<usize> {
        for count in 0..COMMANDS_PER_STEP_MAX {
            match commands.try_recv() {
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => return Some(count),
                Ok(command) => {
                    if matches!(command, Command::Advance(_)) {
                        advanced.get_or_insert_with(Instant::now);
                    }
                    self.run_command(command);
                }
            }
        }
        Some(COMMANDS_PER_STEP_MAX)
    }

    fn run_command(&mut self, command: Command) {
        match command {
            Command::Restore(mut changes, mut view_changes) => {
                if let Some((saved_changes, saved_views)) = &mut self.restore {
                    saved_changes.send_batch(&mut changes);
                    saved_views.send_batch(&mut view_changes);
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
                // The caller may have stopped waiting; the bans apply in any case.
                reply.send(*self.bans.time()).unwrap_or_default();
            }
            Command::Query(query, reply) => self.queries.push(query, reply),
            Command::Stop => {}
        }
    }

    fn advance(&mut self, time: EventTime) {
        // Restored changes have time 0, so the first advance ends restoring.
        drop(mem::take(&mut self.restore));
        let time = time.next_multiple_of(TICK_MS).max(*self.samples.time());
        self.samples.advance_to(time);
        self.tracking.advance_to(time);
        self.bans.advance_to(time);
    }
}
