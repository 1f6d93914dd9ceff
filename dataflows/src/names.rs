//! Names: how each racer is called.

use compact_str::CompactString;
use differential_dataflow::difference::{IsZero, Semigroup};
use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::operators::arrange::arrangement::arrange_core;
use differential_dataflow::trace::implementations::{KeyBatcher, KeySpine};
use serde::{Deserialize, Serialize};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Exchange;

use crate::Arrangement;
use crate::change::Change;
use crate::event::{Clock, RacerId};
use crate::rides::select;

/// A racer's label for display. Of two, the one with the greater device time counts, then the
/// greater text, so that order does not matter; that maximum is what adding two as a difference does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    /// The device's clock when it was sent, in milliseconds.
    pub device_ms: u64,
    /// The label.
    pub text: CompactString,
}

impl IsZero for Name {
    /// Never: a maximum has no inverse.
    fn is_zero(&self) -> bool {
        false
    }
}

impl Semigroup for Name {
    fn plus_equals(&mut self, other: &Self) {
        if *other > *self {
            *self = other.clone();
        }
    }
}

/// Names by racer, as differences.
pub type NameTrace = TraceAgent<KeySpine<RacerId, Clock, Name>>;

type NameUpdate = ((RacerId, ()), Clock, Name);

/// Arranges the names of rides that are over by racer: one racer has one name in all classes.
pub fn names<'scope>(
    changes: Stream<'scope, Clock, Vec<Change>>,
) -> Arrangement<'scope, NameTrace> {
    let updates = select(changes, "NameChanges", |change, time| match change {
        Change::Name(racer, name) => Some(((racer, ()), time, name)),
        _ => None,
    });
    let route = Exchange::new(|((racer, ()), _, _): &NameUpdate| u64::from(*racer));
    arrange_core(updates, route, "Names", KeyBatcher::new)
}
