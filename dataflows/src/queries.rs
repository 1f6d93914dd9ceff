//! Queries as timestamped inputs: each is answered at its time, by all workers, to the one that asked.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::vec::Broadcast;

use crate::event::Clock;
use crate::graph::Traces;
use crate::query::{Answer, Query};

/// A query on its way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ask {
    /// The worker that asks.
    pub worker: usize,
    /// By what that worker knows it.
    pub id: u64,
    /// The question.
    pub query: Query,
}

/// One worker's part of an answer, on its way to the worker that asked.
type Part = (Ask, Answer);

/// Answers each query from `traces` at its own time, once `arranged` has passed it on all workers;
/// the answer comes out at that time, with its id, on the worker that asked.
///
/// The traces are compacted as far as the times of `asks`, which no query can come before, and of
/// `arranged` allow: both must go on for memory to stay flat.
pub fn queries<'scope>(
    asks: Stream<'scope, Clock, Vec<Ask>>,
    arranged: Stream<'scope, Clock, Vec<()>>,
    mut traces: Traces,
) -> Stream<'scope, Clock, Vec<(u64, Clock, Answer)>> {
    let workers = asks.scope().peers();
    let parts =
        asks.broadcast().binary_frontier(arranged, Pipeline, Pipeline, "Queries", move |_, _| {
            let mut held: BTreeMap<Clock, (Capability<Clock>, Vec<Ask>)> = BTreeMap::new();
            move |(asks, asking), (arranged, arranging), output| {
                arranged.for_each(|_, _| {});
                asks.for_each(|capability, asks| {
                    let Some(time) = capability.least().copied() else { return };
                    if let Some((_, held)) = held.get_mut(&time) {
                        held.append(asks);
                    } else if let Some(capability) = capability.retain_least(0) {
                        held.insert(time, (capability, std::mem::take(asks)));
                    }
                });
                while let Some(entry) = held.first_entry()
                    && !arranging.less_equal(entry.key())
                {
                    let (time, (capability, asks)) = entry.remove_entry();
                    let answer = |ask: Ask| {
                        let part = ask.query.answer(&mut traces, time);
                        (ask, part)
                    };
                    output.session(&capability).give_iterator(asks.into_iter().map(answer));
                }
                let oldest = held.keys().next().copied();
                let mut reading = asking.frontier().to_owned();
                reading.extend(oldest);
                traces.compact(reading.borrow(), arranging.frontier());
            }
        });
    let to_asker = Exchange::new(|(ask, _): &Part| ask.worker as u64);
    parts.unary(to_asker, "Answers", move |_, _| {
        let mut open: HashMap<u64, (usize, Answer)> = HashMap::new();
        move |input, output| {
            input.for_each(|capability, parts: &mut Vec<Part>| {
                let Some(time) = capability.least().copied() else { return };
                let mut session = output.session(&capability);
                for (ask, part) in parts.drain(..) {
                    let (count, mut answer) = match open.remove(&ask.id) {
                        Some((count, mut answer)) => {
                            answer.add(part);
                            (count + 1, answer)
                        }
                        None => (1, part),
                    };
                    if count < workers {
                        open.insert(ask.id, (count, answer));
                        continue;
                    }
                    answer.finish(ask.query.limit());
                    session.give((ask.id, time, answer));
                }
            });
        }
    })
}
