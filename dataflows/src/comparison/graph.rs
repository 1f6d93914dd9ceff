//! The graph of a comparison.

use std::mem;

use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::generic::operator::empty;
use timely::progress::frontier::AntichainRef;

use crate::operators::{
    LeaderboardTrace, NameTrace, RecordTrace, ResultTrace, leaderboard, names, progress_of,
    records, results, rides,
};
use crate::traces::compact;
use crate::values::{Change, EventTime, Mode, Rules, Sample, ScoredSample, Scoring};

/// One worker's share of the state under one set of rules. Readable once all samples have arrived.
pub struct ComparisonTraces {
    /// Record curves by (class, racer).
    pub records: RecordTrace,
    /// Results by (class, race).
    pub results: ResultTrace,
    /// Best final outputs by (class, racer).
    pub leaderboard: LeaderboardTrace,
    /// Names by (class, racer).
    pub names: NameTrace,
}

impl ComparisonTraces {
    /// Advances the logical and physical compaction of the traces to `frontier`.
    pub fn compact(&mut self, frontier: AntichainRef<'_, EventTime>) {
        compact(&mut self.records, frontier, frontier);
        compact(&mut self.results, frontier, frontier);
        compact(&mut self.leaderboard, frontier, frontier);
        compact(&mut self.names, frontier, frontier);
    }
}

/// The outputs of the graph under one set of rules.
pub struct ComparisonGraph<'scope> {
    /// The arrangements' traces.
    pub traces: ComparisonTraces,
    /// The changes that the rides operator emits, on the worker of each ride.
    pub changes: Stream<'scope, EventTime, Vec<Change>>,
    /// An empty stream, used for its frontier. Once the frontier has passed a time, this worker's traces
    /// are complete at that time.
    pub arranged: Stream<'scope, EventTime, Vec<()>>,
}

/// Builds the graph twice, under the old and the new rules, in one dataflow that exchanges each sample
/// once.
///
/// A racer's rides are on the same worker under both rules. `until` has the meaning of
/// [`Mode::Replay`]'s field. The rules, their order, and `until` must be the same on all workers. Event
/// clocks must not decrease as logical time increases.
///
/// ```
/// use std::ops::ControlFlow::Continue;
/// use timely::dataflow::operators::{ToStream, probe::Probe};
/// use velodrome_dataflows::{Rules, Sample, comparison_graph, read_trace};
///
/// let outputs = timely::execute_directly(|worker| {
///     let old = Rules::default();
///     let new = Rules { divisor: 50.0, ..old.clone() };
///     let graphs = worker.dataflow(|scope| {
///         let (second, cadence, resistance) = (1, 65.0, 35.0);
///         let sample = Sample { second, cadence, resistance, ..Sample::default() };
///         let graphs = comparison_graph(vec![sample].to_stream(scope), [old, new], u64::MAX);
///         graphs.map(|graph| (graph.traces, graph.arranged.probe().0))
///     });
///     graphs.map(|(mut traces, probe)| {
///         worker.step_or_park_while(None, || !probe.done());
///         let mut output = None;
///         read_trace(&mut traces.records, u64::MAX, None, |_, (), record| {
///             output = record.get(1);
///             Continue(())
///         });
///         output
///     })
/// });
/// assert_eq!(outputs, [Some(100.0), Some(200.0)]);
/// ```
pub fn comparison_graph<'scope>(
    samples: Stream<'scope, EventTime, Vec<Sample>>,
    rules: [Rules; 2],
    until: EventTime,
) -> [ComparisonGraph<'scope>; 2] {
    let [old, new] = rules;
    let [old_samples, new_samples] = score_both(samples, [old.clone().into(), new.clone().into()]);
    [graph(old_samples, old, until), graph(new_samples, new, until)]
}

/// Builds the graph under one set of rules.
fn graph<'scope>(
    samples: Stream<'scope, EventTime, Vec<ScoredSample>>,
    rules: Rules,
    until: EventTime,
) -> ComparisonGraph<'scope> {
    let scope = samples.scope();
    let changes = rides(samples, empty(scope), empty(scope), rules, Mode::Replay { until });
    let records = records(changes.clone());
    let results = results(changes.clone());
    let leaderboard = leaderboard(changes.clone());
    let names = names(changes.clone());
    let arranged = progress_of(records.stream)
        .concat(progress_of(results.stream))
        .concat(progress_of(leaderboard.stream))
        .concat(progress_of(names.stream));
    let traces = ComparisonTraces {
        records: records.trace,
        results: results.trace,
        leaderboard: leaderboard.trace,
        names: names.trace,
    };
    ComparisonGraph { traces, changes, arranged }
}

/// Scores each sample with both scorings, on the worker that has the racer's rides. Each output stream
/// contains the samples that count under its scoring.
fn score_both<'scope>(
    samples: Stream<'scope, EventTime, Vec<Sample>>,
    [old, new]: [Scoring; 2],
) -> [Stream<'scope, EventTime, Vec<ScoredSample>>; 2] {
    let mut builder = OperatorBuilder::new("ScoreBoth".to_owned(), samples.scope());
    let route = Exchange::new(Sample::route);
    let mut input = builder.new_input(samples, route);
    let (old_output, old_stream) = builder.new_output();
    let (new_output, new_stream) = builder.new_output();
    let mut old_output = OutputBuilder::from(old_output);
    let mut new_output = OutputBuilder::from(new_output);
    builder.build(move |_| {
        move |_| {
            let (mut old_output, mut new_output) = (old_output.activate(), new_output.activate());
            input.for_each(|capability, samples: &mut Vec<Sample>| {
                let scored = samples.iter().filter_map(|sample| new.score_sample(sample.clone()));
                new_output.session(&capability).give_iterator(scored);
                // `collect` works in place here and reuses the vector's allocation.
                let samples = mem::take(samples).into_iter();
                let mut scored = samples.filter_map(|sample| old.score_sample(sample)).collect();
                old_output.session(&capability).give_container(&mut scored);
            });
        }
    });
    [old_stream, new_stream]
}
