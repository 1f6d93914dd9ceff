//! Records: the greatest output by class, second and racer, over all finished rides.

use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::{KeyBatcher, KeySpine};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;

use super::arrangement::Arrangement;
use super::select::select_updates;
use crate::values::{Change, ClassId, EventTime, RacerId, Record};

/// The trace of [`records`]: record curves by (class, racer), as differences.
pub type RecordTrace = TraceAgent<KeySpine<(ClassId, RacerId), EventTime, Record>>;

/// Arranges record curves by (class, racer), from [`Change::Record`].
///
/// Changes are not exchanged: a racer's records are on the worker of the racer's rides.
///
/// ```
/// use timely::dataflow::operators::{Capture, ToStream, capture::Extract};
/// use velodrome_dataflows::{Change, Curve, Record, records};
///
/// let curve = |outputs: [(u16, f64); 2]| {
///     let mut curve = Curve::default();
///     for (second, output) in outputs {
///         curve.raise(second, output);
///     }
///     Record::from(curve)
/// };
/// let first = Change::Record((1, 5), curve([(1, 97.5), (2, 98.0)]));
/// let second = Change::Record((1, 5), curve([(2, 99.0), (3, 95.0)]));
/// let arranged = timely::example(|scope| {
///     let changes = vec![first, second].to_stream(scope);
///     records(changes).as_collection(|key, ()| *key).inner.capture()
/// });
/// // The arrangement consolidates both to one curve, the greater output of each second.
/// let updates = arranged.extract().remove(0).1;
/// let [((1, 5), 0, record)] = &updates[..] else { panic!("{updates:?}") };
/// assert_eq!(record.outputs().collect::<Vec<_>>(), [(1, 97.5), (2, 99.0), (3, 95.0)]);
/// ```
pub fn records<'scope>(
    changes: Stream<'scope, EventTime, Vec<Change>>,
) -> Arrangement<'scope, RecordTrace> {
    let updates = select_updates(changes, "RecordChanges", |change, time| match change {
        Change::Record(key, record) => Some(((key, ()), time, record)),
        _ => None,
    });
    arrange_core(updates, Pipeline, "Records", KeyBatcher::new)
}
