//! Records: per class, second and racer the maximum output over all rides that are over.

use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::{KeyBatcher, KeySpine};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;

use crate::Arrangement;
use crate::change::Change;
use crate::curve::Record;
use crate::event::{ClassId, Clock, RacerId};
use crate::rides::select;

/// Record curves by (class, racer), as differences.
pub type RecordTrace = TraceAgent<KeySpine<(ClassId, RacerId), Clock, Record>>;

/// Arranges the record curves by (class, racer), on the worker where the racer's rides are.
pub fn records<'scope>(
    changes: Stream<'scope, Clock, Vec<Change>>,
) -> Arrangement<'scope, RecordTrace> {
    let updates = select(changes, "RecordChanges", |change, time| match change {
        Change::Record(key, record) => Some(((key, ()), time, record)),
        _ => None,
    });
    arrange_core(updates, Pipeline, "Records", KeyBatcher::new)
}
