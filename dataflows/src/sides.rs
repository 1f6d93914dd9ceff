//! Two sides: the same samples under two sets of rules, each with what follows from it.

use std::mem;

use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::generic::operator::empty;
use timely::progress::frontier::AntichainRef;

use crate::change::Change;
use crate::event::{Clock, Sample};
use crate::graph::ended;
use crate::leaderboard::{LeaderboardTrace, leaderboard};
use crate::output::{Scored, scored, worker_hash};
use crate::records::{RecordTrace, records};
use crate::results::{ResultTrace, results};
use crate::rides::rides;
use crate::roster::Mode;
use crate::rules::Rules;
use crate::scoring::Scoring;
use crate::traces::compact;

/// What follows from the samples under one set of rules: one worker's share, readable once all samples came.
pub struct Side {
    /// Record curves by (class, racer).
    pub records: RecordTrace,
    /// Results by (class, race).
    pub results: ResultTrace,
    /// Best final outputs by (class, racer).
    pub leaderboard: LeaderboardTrace,
}

impl Side {
    /// Lets the traces forget what distinguished times before `frontier`, and merge what lies before it.
    pub fn compact(&mut self, frontier: AntichainRef<'_, Clock>) {
        compact(&mut self.records, frontier, frontier);
        compact(&mut self.results, frontier, frontier);
        compact(&mut self.leaderboard, frontier, frontier);
    }
}

/// What comes out under one set of rules.
pub struct SideGraph<'scope> {
    /// What can be read.
    pub side: Side,
    /// What the rides tell, on the worker of each ride.
    pub changes: Stream<'scope, Clock, Vec<Change>>,
    /// Empty; a time has passed here when it can be read on this worker.
    pub arranged: Stream<'scope, Clock, Vec<()>>,
}

/// Scores the samples under each of two sets of rules, in one dataflow and with one exchange: a racer's rides are
/// on the same worker under both.
///
/// Rules, their order and the time `until`, at which results stand, must be the same on all workers; along the
/// times of the samples the event clock must never go back.
pub fn sides<'scope>(
    samples: Stream<'scope, Clock, Vec<Sample>>,
    rules: [Rules; 2],
    until: Clock,
) -> [SideGraph<'scope>; 2] {
    let [old, new] = rules;
    let [of_old, of_new] = outputs(samples, [old.clone().into(), new.clone().into()]);
    [side(of_old, old, until), side(of_new, new, until)]
}

fn side<'scope>(
    samples: Stream<'scope, Clock, Vec<Scored>>,
    rules: Rules,
    until: Clock,
) -> SideGraph<'scope> {
    let scope = samples.scope();
    let changes = rides(samples, empty(scope), empty(scope), rules, Mode::Replay { until });
    let records = records(changes.clone());
    let results = results(changes.clone());
    let leaderboard = leaderboard(changes.clone());
    let arranged =
        ended(records.stream).concat(ended(results.stream)).concat(ended(leaderboard.stream));
    let side =
        Side { records: records.trace, results: results.trace, leaderboard: leaderboard.trace };
    SideGraph { side, changes, arranged }
}

/// The outputs of each sample under either scoring under which it counts, on the worker of the racer's rides.
fn outputs<'scope>(
    samples: Stream<'scope, Clock, Vec<Sample>>,
    [old, new]: [Scoring; 2],
) -> [Stream<'scope, Clock, Vec<Scored>>; 2] {
    let mut builder = OperatorBuilder::new("Outputs".to_owned(), samples.scope());
    let route = Exchange::new(|sample: &Sample| worker_hash(sample.class, sample.racer));
    let mut input = builder.new_input(samples, route);
    let (of_old, old_outputs) = builder.new_output();
    let (of_new, new_outputs) = builder.new_output();
    let (mut of_old, mut of_new) = (OutputBuilder::from(of_old), OutputBuilder::from(of_new));
    builder.build(move |_| {
        move |_| {
            let (mut of_old, mut of_new) = (of_old.activate(), of_new.activate());
            input.for_each(|capability, samples: &mut Vec<Sample>| {
                let under_new = samples.iter().filter_map(|sample| scored(&new, sample.clone()));
                of_new.session(&capability).give_iterator(under_new);
                // The vector's memory is used again: nothing is moved to another place.
                let under_old = mem::take(samples).into_iter();
                let mut under_old = under_old.filter_map(|sample| scored(&old, sample)).collect();
                of_old.session(&capability).give_container(&mut under_old);
            });
        }
    });
    [old_outputs, new_outputs]
}
