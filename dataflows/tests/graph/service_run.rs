//! Runs a stream through the graph as a service does: queried while events arrive, some racers banned.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::mem;
use std::slice::Iter;
use std::sync::{Arc, Mutex};

use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Inspect;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::probe::{Handle, Probe};
use timely::dataflow::{InputHandle, Stream};
use timely::worker::Worker;
use velodrome_dataflows::{
    Ban, Change, EVENT_LAG_MS_MAX, Inputs, Mode, QueryRequest, Sample, Tracking, ViewChange,
    answer_queries, graph,
};

use super::answers::{TimedAnswer, all_queries, outcome};
use super::outcome::Outcome;
use super::stream::{RULES, Tick};

/// The changes that a run emits, with their times. A checkpoint saves some of them.
pub(crate) type Emitted = (Vec<(u64, Change)>, Vec<(u64, ViewChange)>);

/// One run of a service over some ticks.
#[derive(Clone, Default)]
pub(crate) struct Run {
    pub(crate) ticks: Vec<Tick>,
    /// What a checkpoint saved before the run.
    pub(crate) saved: (Vec<Change>, Vec<ViewChange>),
    /// By time, ascending.
    pub(crate) bans: Vec<(u64, Ban)>,
    /// The times at which everything is queried, ascending. The run ends at the last one.
    pub(crate) query_times: Vec<u64>,
}

/// The state at each query time, and the changes that the run emits.
pub(crate) fn run(run: &Run, workers: usize) -> (Vec<Outcome>, Emitted) {
    let times = run.query_times.clone();
    let (run, emitted) = (Arc::new(run.clone()), Arc::new(Mutex::new(Emitted::default())));
    let shared = Arc::clone(&emitted);
    let config = timely::Config::process(workers);
    let guards = timely::execute(config, move |worker| run_worker(worker, &run, &shared)).unwrap();
    let answers = guards.join().into_iter().map(Result::unwrap).find(|all| !all.is_empty());
    // Checked here, not on the workers: when one of them panics, the others wait for ever.
    let states = times.into_iter().zip(answers.unwrap()).map(|(at, answers)| outcome(at, answers));
    let states = states.collect();
    let emitted = mem::take(&mut *emitted.lock().unwrap());
    (states, emitted)
}

/// The answers at each query time, on the worker that asks; empty on the others.
fn run_worker(
    worker: &mut Worker,
    run: &Run,
    emitted: &Arc<Mutex<Emitted>>,
) -> Vec<Vec<TimedAnswer>> {
    let (index, last) = (worker.index(), worker.peers() - 1);
    let mut service = Service::new(worker, run, emitted);
    service.restore(&run.saved);
    let mut answers = Vec::new();
    let mut ticks = run.ticks.iter().peekable();
    for at in &run.query_times {
        while let Some(tick) = ticks.next_if(|tick| tick.time <= *at) {
            service.send(tick);
            worker.step();
            // Some bans arrive after the samples of later ticks.
            if tick.samples.len() % 3 != 0 {
                service.ban(tick.time);
            }
        }
        service.query(*at);
        let (answered, probe) = (&service.answered, &service.probe);
        worker.step_or_park_while(None, || answered.less_equal(at) || probe.less_equal(at));
        if index == last {
            answers.push(mem::take(&mut *service.answers.lock().unwrap()));
        }
    }
    answers
}

type Input<D> = InputHandle<u64, CapacityContainerBuilder<Vec<D>>>;

/// The inputs and outputs of the graph on one worker.
struct Service<'run> {
    index: usize,
    peers: usize,
    samples: Input<Sample>,
    tracking: Input<Tracking>,
    saved: Option<(Input<Change>, Input<ViewChange>)>,
    bans: Input<Ban>,
    /// Bans that have not been sent.
    later_bans: Peekable<Iter<'run, (u64, Ban)>>,
    requests: Input<QueryRequest>,
    answers: Arc<Mutex<Vec<TimedAnswer>>>,
    probe: Handle<u64>,
    answered: Handle<u64>,
}

impl<'run> Service<'run> {
    fn new(worker: &mut Worker, run: &'run Run, emitted: &Arc<Mutex<Emitted>>) -> Self {
        let (mut samples, mut tracking) = (Input::new(), Input::new());
        let (mut saved_changes, mut saved_views) = (Input::new(), Input::new());
        let (mut bans, mut requests) = (Input::new(), Input::new());
        let (probe, answered) = (Handle::new(), Handle::new());
        let answers = Arc::new(Mutex::new(Vec::new()));
        worker.dataflow(|scope| {
            let inputs = Inputs {
                samples: samples.to_stream(scope),
                tracking: tracking.to_stream(scope),
                saved_changes: saved_changes.to_stream(scope),
                saved_views: saved_views.to_stream(scope),
                bans: bans.to_stream(scope),
            };
            let graph = graph(inputs, RULES, Mode::Service);
            let (changes, views) = (Arc::clone(emitted), Arc::clone(emitted));
            collect(graph.changes, move |row| changes.lock().unwrap().0.push(row))
                .probe_with(&probe);
            collect(graph.view_changes, move |row| views.lock().unwrap().1.push(row))
                .probe_with(&probe);
            let arranged = graph.arranged.probe_with(&probe);
            let sink = Arc::clone(&answers);
            answer_queries(requests.to_stream(scope), arranged, graph.traces)
                .inspect(move |answer| sink.lock().unwrap().push(answer.clone()))
                .probe_with(&answered);
        });
        let (saved, later_bans) = (Some((saved_changes, saved_views)), run.bans.iter().peekable());
        let (index, peers) = (worker.index(), worker.peers());
        Self {
            index,
            peers,
            samples,
            tracking,
            saved,
            bans,
            later_bans,
            requests,
            answers,
            probe,
            answered,
        }
    }

    /// Returns whether this worker sends the event with a number.
    fn mine(&self) -> impl Fn(usize) -> bool + use<> {
        let (index, peers) = (self.index, self.peers);
        move |number| number % peers == index
    }

    /// Sends this worker's share of what a checkpoint saved.
    fn restore(&mut self, saved: &(Vec<Change>, Vec<ViewChange>)) {
        let Some((mut changes, mut views)) = self.saved.take() else { return };
        let is_mine = self.mine();
        for (_, change) in saved.0.iter().enumerate().filter(|(number, _)| is_mine(*number)) {
            changes.send(change.clone());
        }
        for (_, change) in saved.1.iter().enumerate().filter(|(number, _)| is_mine(*number)) {
            views.send(change.clone());
        }
    }

    /// Sends this worker's events of a tick.
    fn send(&mut self, tick: &Tick) {
        let is_mine = self.mine();
        self.samples.advance_to(tick.time);
        self.tracking.advance_to(tick.time);
        for (_, sample) in tick.samples.iter().filter(|(number, _)| is_mine(*number)) {
            self.samples.send(sample.clone());
        }
        for (_, event) in tick.tracking.iter().filter(|(number, _)| is_mine(*number)) {
            self.tracking.send(event.clone());
        }
    }

    /// Sends the bans up to `time`, which samples may have passed already.
    fn ban(&mut self, time: u64) {
        let is_mine = self.mine();
        while let Some((at, ban)) = self.later_bans.next_if(|(at, _)| *at <= time) {
            self.bans.advance_to(*at);
            if is_mine(ban.racer as usize) {
                self.bans.send(*ban);
            }
        }
        self.bans.advance_to(time);
    }

    /// Completes the time `at` and queries everything at it, on the last worker.
    fn query(&mut self, at: u64) {
        self.samples.advance_to(at + 1);
        self.tracking.advance_to(at + 1);
        self.ban(at);
        self.ban(at + 1);
        self.requests.advance_to(at);
        if self.index == self.peers - 1 {
            for (id, query) in all_queries().into_iter().enumerate() {
                self.requests.send(QueryRequest { worker: self.index, id: id as u64, query });
            }
        }
        self.requests.advance_to(at + 1);
    }
}

/// Calls `sink` with each record of a stream and its time.
fn collect<'scope, D: 'static>(
    stream: Stream<'scope, u64, Vec<D>>,
    mut sink: impl FnMut((u64, D)) + 'static,
) -> Stream<'scope, u64, Vec<()>> {
    stream.unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, "Collect", move |_, _| {
        move |input, _| {
            input.for_each(|capability, rows| {
                let time = *capability.least().unwrap();
                rows.drain(..).for_each(|row| sink((time, row)));
            });
        }
    })
}

/// Times to query at: those of some ticks, and two after all rides have closed.
pub(crate) fn query_times(ticks: &[Tick]) -> Vec<u64> {
    let end = ticks.last().map_or(1, |tick| tick.time) + 120_000;
    ticks.iter().step_by(3).map(|tick| tick.time).chain([end, end + EVENT_LAG_MS_MAX]).collect()
}

/// What a checkpoint that is complete up to `complete` saved of the emitted changes. Of each ride it
/// has the latest change.
pub(crate) fn saved_until(
    (changes, views): Emitted,
    complete: u64,
) -> (Vec<Change>, Vec<ViewChange>) {
    let (mut rides, mut others) = (BTreeMap::new(), Vec::new());
    // All changes of a ride are emitted by one worker, in order.
    for (_, change) in changes.into_iter().filter(|(time, _)| *time <= complete) {
        match change {
            Change::Saved(key, ride) => {
                rides.insert(key, ride);
            }
            Change::Record(..) | Change::Final(..) | Change::Name(..) => others.push(change),
            Change::Result(..) | Change::Stage(..) | Change::Ban(_) | Change::Late(_) => {}
        }
    }
    others.extend(rides.into_iter().map(|(key, ride)| Change::Saved(key, ride)));
    let views = views.into_iter().filter(|(time, _)| *time <= complete);
    (others, views.map(|(_, change)| change).collect())
}

/// The time after which events are replayed when a run resumes from a checkpoint: rides that were
/// running are replayed from their first sample.
pub(crate) fn resumes_after(complete: u64) -> u64 {
    complete.saturating_sub((10 + 3 + 2) * 1000)
}
