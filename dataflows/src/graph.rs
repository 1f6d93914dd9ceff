//! The whole graph: events in, arrangements out.

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::generic::Operator;

use crate::bans::{Ban, BanTrace, bans};
use crate::change::Change;
use crate::event::{Clock, Sample, Tracking};
use crate::leaderboard::{LeaderboardTrace, leaderboard};
use crate::names::{NameTrace, names};
use crate::output::output;
use crate::records::{RecordTrace, records};
use crate::results::{ResultTrace, results};
use crate::rides::rides;
use crate::roster::Mode;
use crate::rules::Rules;
use crate::views::{ViewTrace, Viewed, views};

/// What goes into the graph.
///
/// Rules, mode and the order of the inputs must be the same on all workers; along the times of each
/// input the event clock must never go back. What a checkpoint kept comes before all events.
pub struct Inputs<'scope> {
    /// Race events.
    pub samples: Stream<'scope, Clock, Vec<Sample>>,
    /// Tracking events.
    pub tracking: Stream<'scope, Clock, Vec<Tracking>>,
    /// What a checkpoint kept of rides, records, the leaderboard and names.
    pub changes: Stream<'scope, Clock, Vec<Change>>,
    /// What a checkpoint kept of views.
    pub viewed: Stream<'scope, Clock, Vec<Viewed>>,
    /// Who is banned, on any worker; a racer is banned, then no longer, then again.
    pub bans: Stream<'scope, Clock, Vec<Ban>>,
}

/// The state of one worker's share of the graph, readable at every time that all workers completed.
pub struct Traces {
    /// Record curves by (class, racer).
    pub records: RecordTrace,
    /// Results by (class, race).
    pub results: ResultTrace,
    /// Best final outputs by (class, racer).
    pub leaderboard: LeaderboardTrace,
    /// Names by racer.
    pub names: NameTrace,
    /// View counts by project.
    pub views: ViewTrace,
    /// Banned racers, all of them on every worker.
    pub bans: BanTrace,
}

/// What comes out of the graph.
pub struct Graph<'scope> {
    /// What can be read.
    pub traces: Traces,
    /// What the rides tell, on the worker of each ride.
    pub changes: Stream<'scope, Clock, Vec<Change>>,
    /// What views are told.
    pub viewed: Stream<'scope, Clock, Vec<Viewed>>,
    /// Empty; a time has passed here when it can be read in all traces of this worker.
    pub arranged: Stream<'scope, Clock, Vec<()>>,
}

/// Builds the graph over `inputs`.
pub fn graph(inputs: Inputs<'_>, rules: Rules, mode: Mode) -> Graph<'_> {
    let Inputs { samples, tracking, changes, viewed, bans: banned } = inputs;
    let changes = rides(output(samples, rules.clone().into()), changes, banned, rules, mode);
    let records = records(changes.clone());
    let results = results(changes.clone());
    let leaderboard = leaderboard(changes.clone());
    let names = names(changes.clone());
    let bans = bans(changes.clone());
    let (views, viewed) = views(tracking, viewed, mode);
    let arranged = ended(records.stream)
        .concat(ended(results.stream))
        .concat(ended(leaderboard.stream))
        .concat(ended(names.stream))
        .concat(ended(bans.stream))
        .concat(ended(views.stream));
    let traces = Traces {
        records: records.trace,
        results: results.trace,
        leaderboard: leaderboard.trace,
        names: names.trace,
        views: views.trace,
        bans: bans.trace,
    };
    Graph { traces, changes, viewed, arranged }
}

/// Nothing of a stream but how far its time is.
pub(crate) fn ended<'scope, D: 'static>(
    stream: Stream<'scope, Clock, Vec<D>>,
) -> Stream<'scope, Clock, Vec<()>> {
    stream.unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, "Ended", |_, _| {
        |input, _| input.for_each(|_, _| {})
    })
}
