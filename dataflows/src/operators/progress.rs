//! The progress of a stream, without its data.

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

/// An empty stream with the frontier of `stream`.
pub(crate) fn progress_of<'scope, D: 'static>(
    stream: Stream<'scope, u64, Vec<D>>,
) -> Stream<'scope, u64, Vec<()>> {
    stream.unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, "Progress", |_, _| {
        |input, _| input.for_each(|_, _| {})
    })
}
