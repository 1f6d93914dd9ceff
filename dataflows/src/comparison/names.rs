//! Names of the racers that a comparison mentions.

use std::ops::ControlFlow::Break;

use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::Operator;

use crate::operators::NameTrace;
use crate::traces::read_trace;
use crate::values::{EventTime, Name, RacerKey, racer_hash};

/// Looks up the names of `racers` under both rules, and emits the winner of the two. Racers without a
/// name are skipped.
///
/// All samples must have arrived in the traces. Racers may enter on any worker, each any number of times.
///
/// ```
/// use timely::dataflow::operators::{Capture, ToStream, capture::Extract, probe::Probe};
/// use velodrome_dataflows::{Name, Rules, Sample, comparison_graph, racer_names};
///
/// let names = timely::execute_directly(|worker| {
///     // The new rules exclude the racer, so only the old rules have its name.
///     let rules = [Rules::default(), Rules { excluded_racers: [5].into(), ..Rules::default() }];
///     let graphs = worker.dataflow(|scope| {
///         let (name, device_ms) = (Some("Ada".into()), 1_000);
///         let sample = Sample { class: 1, racer: 5, second: 1, name, device_ms, ..Sample::default() };
///         let graphs = comparison_graph(vec![sample].to_stream(scope), rules, u64::MAX);
///         graphs.map(|graph| (graph.traces.names, graph.arranged.probe().0))
///     });
///     let names = graphs.map(|(names, probe)| {
///         worker.step_or_park_while(None, || !probe.done());
///         names
///     });
///     worker.dataflow(|scope| racer_names(vec![(1, 4), (1, 5)].to_stream(scope), names).capture())
/// });
/// let name = Name { at: 1_000, text: "Ada".into() };
/// assert_eq!(names.extract(), [(0, vec![((1, 5), name)])]);
/// ```
pub fn racer_names<'scope>(
    racers: Stream<'scope, u64, Vec<RacerKey>>,
    mut traces: [NameTrace; 2],
) -> Stream<'scope, u64, Vec<(RacerKey, Name)>> {
    // The worker of the racer's rides, which has the names.
    let route = Exchange::new(|(class, racer): &RacerKey| racer_hash(*class, *racer));
    racers.unary(route, "RacerNames", move |_, _| {
        move |input, output| {
            input.for_each(|capability, racers| {
                let mut session = output.session(&capability);
                for racer in racers.drain(..) {
                    let names = traces.iter_mut().filter_map(|names| name(names, racer));
                    session.give_iterator(names.max().map(|name| (racer, name)).into_iter());
                }
            });
        }
    })
}

/// The name of a racer in a class, in a trace.
fn name(names: &mut NameTrace, racer: RacerKey) -> Option<Name> {
    let mut found = None;
    read_trace(names, EventTime::MAX, Some(&racer), |first, (), name| {
        found = (*first == racer).then_some(name);
        Break(())
    });
    found
}
