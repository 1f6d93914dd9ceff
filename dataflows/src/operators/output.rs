//! Scores samples.

use std::mem;

use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::Operator;

use crate::values::{EventTime, Sample, ScoredSample, Scoring};

/// Computes the output of each sample and drops the samples that do not count.
///
/// Samples are exchanged by class and racer, so that all rides of a racer are on one worker.
///
/// ```
/// use timely::dataflow::operators::vec::Map;
/// use timely::dataflow::operators::{Capture, ToStream, capture::Extract};
/// use velodrome_dataflows::{Output, Rules, Sample, output};
///
/// let outputs = timely::example(|scope| {
///     let sample = |second, cadence| Sample { second, cadence, resistance: 35.0, ..Sample::default() };
///     // A race lasts 300 seconds by default, so the last sample does not count.
///     let samples = vec![sample(1, 65.0), sample(2, 75.0), sample(301, 65.0)].to_stream(scope);
///     output(samples, Rules::default().into())
///         .map(|scored| (scored.second, Output(scored.output)))
///         .capture()
/// });
/// let expected = vec![(1, Output(100.0)), (2, Output(110.0))];
/// assert_eq!(outputs.extract(), [(0, expected)]);
/// ```
pub fn output<'scope>(
    samples: Stream<'scope, EventTime, Vec<Sample>>,
    scoring: Scoring,
) -> Stream<'scope, EventTime, Vec<ScoredSample>> {
    let route = Exchange::new(Sample::route);
    samples.unary(route, "Score", move |_, _| {
        move |input, output| {
            input.for_each(|capability, samples| {
                // `collect` works in place here and reuses the vector's allocation.
                let samples = mem::take(samples).into_iter();
                let mut scored =
                    samples.filter_map(|sample| scoring.score_sample(sample)).collect();
                output.session(&capability).give_container(&mut scored);
            });
        }
    })
}
