//! The whole graph: events in, arrangements out.

use timely::dataflow::Stream;
use timely::dataflow::operators::probe::{Handle, Probe};

use crate::event::{Clock, Sample, Tracking};
use crate::leaderboard::{LeaderboardTrace, leaderboard};
use crate::output::{Rules, output};
use crate::records::{RecordTrace, records};
use crate::results::{ResultTrace, results};
use crate::rides::{Change, rides, select};
use crate::views::{ViewTrace, views};

/// The state of one worker's share of the graph, readable at every time that all workers completed.
pub struct Traces {
    /// Record curves by (class, racer).
    pub records: RecordTrace,
    /// Results by (class, race).
    pub results: ResultTrace,
    /// Best final outputs by (class, racer).
    pub leaderboard: LeaderboardTrace,
    /// View counts by project.
    pub views: ViewTrace,
}

/// Builds the graph over samples and tracking events, and attaches `probe` to all of its ends.
///
/// Also returns how many samples came too late for their ride, as counts to be added up.
/// Rules and order of the inputs must be the same on all workers; along the times of each input the
/// event clock must never go back.
pub fn graph<'scope>(
    samples: Stream<'scope, Clock, Vec<Sample>>,
    tracking: Stream<'scope, Clock, Vec<Tracking>>,
    rules: Rules,
    probe: &Handle<Clock>,
) -> (Traces, Stream<'scope, Clock, Vec<u64>>) {
    let changes = rides(output(samples, rules), rules);
    let records = records(changes.clone());
    let results = results(changes.clone());
    let leaderboard = leaderboard(changes.clone());
    let views = views(tracking);
    let late = select(changes, "LateCounts", |change, _| match change {
        Change::Late(count) => Some(count),
        _ => None,
    });
    records.stream.probe_with(probe);
    results.stream.probe_with(probe);
    leaderboard.stream.probe_with(probe);
    views.stream.probe_with(probe);
    let traces = Traces {
        records: records.trace,
        results: results.trace,
        leaderboard: leaderboard.trace,
        views: views.trace,
    };
    (traces, late.probe_with(probe))
}
