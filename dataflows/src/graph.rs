//! The graph: events in, arrangements out.

use timely::dataflow::Stream;
use timely::dataflow::operators::Concat;
use timely::progress::frontier::AntichainRef;

use crate::operators::{
    BanTrace, LeaderboardTrace, NameTrace, RecordTrace, ResultTrace, ViewTrace, bans, leaderboard,
    names, output, progress_of, records, results, rides, views,
};
use crate::traces::compact;
use crate::values::{Ban, Change, EventTime, Mode, Rules, Sample, Tracking, ViewChange};

/// The inputs of the graph.
///
/// Within each input, event clocks must not decrease as logical time increases. Everything restored from
/// a checkpoint must arrive at earlier times than any event.
pub struct Inputs<'scope> {
    /// Race events.
    pub samples: Stream<'scope, EventTime, Vec<Sample>>,
    /// Tracking events.
    pub tracking: Stream<'scope, EventTime, Vec<Tracking>>,
    /// Saved changes of rides, records, the leaderboard and names, restored from a checkpoint.
    pub saved_changes: Stream<'scope, EventTime, Vec<Change>>,
    /// Saved changes of view counts, restored from a checkpoint.
    pub saved_views: Stream<'scope, EventTime, Vec<ViewChange>>,
    /// Changes of the ban list, which may enter on any worker. For each racer, bans and lifts must
    /// alternate.
    pub bans: Stream<'scope, EventTime, Vec<Ban>>,
}

/// The state of one worker's share of the graph, readable at every time that all workers completed.
pub struct Traces {
    /// Record curves by (class, racer).
    pub records: RecordTrace,
    /// Results by (class, race).
    pub results: ResultTrace,
    /// Best final outputs by (class, racer).
    pub leaderboard: LeaderboardTrace,
    /// Names by (class, racer).
    pub names: NameTrace,
    /// View counts by project.
    pub views: ViewTrace,
    /// Banned racers. Every worker has all of them.
    pub bans: BanTrace,
}

impl Traces {
    /// Advances the traces' logical compaction to `read` and their physical compaction to `arranged`.
    ///
    /// Without compaction the traces grow with every update. After this call they can be read only at
    /// times in advance of `read`. `arranged` must be the frontier of [`Graph::arranged`].
    pub fn compact(
        &mut self,
        read: AntichainRef<'_, EventTime>,
        arranged: AntichainRef<'_, EventTime>,
    ) {
        compact(&mut self.records, read, arranged);
        compact(&mut self.results, read, arranged);
        compact(&mut self.leaderboard, read, arranged);
        compact(&mut self.names, read, arranged);
        compact(&mut self.views, read, arranged);
        compact(&mut self.bans, read, arranged);
    }
}

/// The outputs of the graph.
pub struct Graph<'scope> {
    /// The arrangements' traces.
    pub traces: Traces,
    /// The changes that the rides operator emits, on the worker of each ride.
    pub changes: Stream<'scope, EventTime, Vec<Change>>,
    /// The changes of view counts.
    pub view_changes: Stream<'scope, EventTime, Vec<ViewChange>>,
    /// An empty stream, used for its frontier. Once the frontier has passed a time, this worker's traces
    /// are complete at that time.
    pub arranged: Stream<'scope, EventTime, Vec<()>>,
}

/// Builds the graph.
///
/// The rules, the mode, and the order in which dataflows and inputs are built must be the same on all
/// workers.
///
/// ```
/// use std::ops::ControlFlow::Continue;
/// use timely::dataflow::InputHandle;
/// use timely::dataflow::operators::generic::operator::empty;
/// use timely::dataflow::operators::probe::Probe;
/// use velodrome_dataflows::{Inputs, Mode, Rules, Sample, graph, read_trace};
///
/// let records = timely::execute_directly(|worker| {
///     let mut samples = InputHandle::new();
///     let (mut traces, probe) = worker.dataflow(|scope| {
///         let inputs = Inputs {
///             samples: samples.to_stream(scope),
///             tracking: empty(scope),
///             saved_changes: empty(scope),
///             saved_views: empty(scope),
///             bans: empty(scope),
///         };
///         let graph = graph(inputs, Rules::default(), Mode::Replay { until: u64::MAX });
///         (graph.traces, graph.arranged.probe().0)
///     });
///     for (clock, second, cadence) in [(1_000, 1, 65.0), (2_000, 2, 75.0)] {
///         samples.advance_to(clock);
///         let sample = Sample { clock, second, cadence, resistance: 35.0, ..Sample::default() };
///         samples.send(Sample { class: 1, racer: 5, ..sample });
///     }
///     samples.close();
///     worker.step_or_park_while(None, || !probe.done());
///     let mut records = Vec::new();
///     read_trace(&mut traces.records, u64::MAX, None, |(class, racer), (), record| {
///         records.extend(record.outputs().map(|(second, output)| (*class, *racer, second, output)));
///         Continue(())
///     });
///     records
/// });
/// assert_eq!(records, [(1, 5, 1, 100.0), (1, 5, 2, 110.0)]);
/// ```
pub fn graph(inputs: Inputs<'_>, rules: Rules, mode: Mode) -> Graph<'_> {
    let samples = output(inputs.samples, rules.clone().into());
    let changes = rides(samples, inputs.saved_changes, inputs.bans, rules, mode);
    let records = records(changes.clone());
    let results = results(changes.clone());
    let leaderboard = leaderboard(changes.clone());
    let names = names(changes.clone());
    let bans = bans(changes.clone());
    let (views, view_changes) = views(inputs.tracking, inputs.saved_views, mode);
    let arranged = progress_of(records.stream)
        .concat(progress_of(results.stream))
        .concat(progress_of(leaderboard.stream))
        .concat(progress_of(names.stream))
        .concat(progress_of(bans.stream))
        .concat(progress_of(views.stream));
    let traces = Traces {
        records: records.trace,
        results: results.trace,
        leaderboard: leaderboard.trace,
        names: names.trace,
        views: views.trace,
        bans: bans.trace,
    };
    Graph { traces, changes, view_changes, arranged }
}
