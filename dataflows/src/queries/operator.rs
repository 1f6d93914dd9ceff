//! The dataflow that answers queries.

use std::collections::BTreeMap;
use std::mem;

use hashbrown::HashMap;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::vec::Broadcast;

use super::answer::Answer;
use super::evaluate::evaluate;
use super::query::QueryRequest;
use crate::graph::Traces;
use crate::values::EventTime;

/// One worker's part of an answer, sent to the requesting worker.
type Part = (QueryRequest, Answer);

/// Answers each query from `traces` at the query's own time.
///
/// Emits `(id, time, answer)` on the requesting worker, at the query's time, once `arranged` has passed
/// that time on all workers. `traces` and `arranged` are those of one [`Graph`](crate::Graph).
///
/// The operator compacts the traces up to the earliest time that a later query can have. Memory stays
/// bounded only if both inputs advance.
///
/// ```
/// use timely::dataflow::InputHandle;
/// use timely::dataflow::operators::{Capture, capture::Extract, generic::operator::empty};
/// use velodrome_dataflows::{
///     Answer, Inputs, Mode, Query, QueryRequest, Rules, Tracking, ViewCount, answer_queries, graph,
/// };
///
/// let answers = timely::execute_directly(|worker| {
///     let (mut tracking, mut requests) = (InputHandle::new(), InputHandle::new());
///     let answers = worker.dataflow(|scope| {
///         let inputs = Inputs {
///             samples: empty(scope),
///             tracking: tracking.to_stream(scope),
///             saved_changes: empty(scope),
///             saved_views: empty(scope),
///             bans: empty(scope),
///         };
///         let graph = graph(inputs, Rules::default(), Mode::Service);
///         answer_queries(requests.to_stream(scope), graph.arranged, graph.traces).capture()
///     });
///     let view = Tracking { uuid: 1, project: "trailer".into(), is_view: true, ..Tracking::default() };
///     tracking.send(view);
///     requests.send(QueryRequest { worker: 0, id: 17, query: Query::Project("trailer".into()) });
///     answers
/// });
/// let count = ViewCount { views: 1, duration_ms: 0 };
/// assert_eq!(answers.extract(), [(0, vec![(17, 0, Answer::Project(Some(count)))])]);
/// ```
pub fn answer_queries<'scope>(
    requests: Stream<'scope, EventTime, Vec<QueryRequest>>,
    arranged: Stream<'scope, EventTime, Vec<()>>,
    traces: Traces,
) -> Stream<'scope, EventTime, Vec<(u64, EventTime, Answer)>> {
    merge(evaluate_all(requests, arranged, traces))
}

/// Evaluates each query on every worker, once `arranged` has passed its time.
fn evaluate_all<'scope>(
    requests: Stream<'scope, EventTime, Vec<QueryRequest>>,
    arranged: Stream<'scope, EventTime, Vec<()>>,
    mut traces: Traces,
) -> Stream<'scope, EventTime, Vec<Part>> {
    let requests = requests.broadcast();
    requests.binary_frontier(arranged, Pipeline, Pipeline, "EvaluateQueries", move |_, _| {
        let mut pending: BTreeMap<EventTime, (Capability<EventTime>, Vec<QueryRequest>)> =
            BTreeMap::new();
        move |(requests, request_frontier), (arranged, arranged_frontier), output| {
            arranged.for_each(|_, _| {});
            requests.for_each(|capability, requests| {
                let Some(time) = capability.least().copied() else { return };
                if let Some((_, pending)) = pending.get_mut(&time) {
                    pending.append(requests);
                } else if let Some(capability) = capability.retain_least(0) {
                    pending.insert(time, (capability, mem::take(requests)));
                }
            });
            while let Some(entry) = pending.first_entry()
                && !arranged_frontier.less_equal(entry.key())
            {
                let (time, (capability, requests)) = entry.remove_entry();
                let part = |request: QueryRequest| {
                    let answer = evaluate(&request.query, &mut traces, time);
                    (request, answer)
                };
                output.session(&capability).give_iterator(requests.into_iter().map(part));
            }
            let oldest = pending.keys().next().copied();
            let mut read_frontier = request_frontier.frontier().to_owned();
            read_frontier.extend(oldest);
            traces.compact(read_frontier.borrow(), arranged_frontier.frontier());
        }
    })
}

/// Merges the parts of each query on the requesting worker.
fn merge(
    parts: Stream<'_, EventTime, Vec<Part>>,
) -> Stream<'_, EventTime, Vec<(u64, EventTime, Answer)>> {
    let workers = parts.scope().peers();
    let route = Exchange::new(|(request, _): &Part| request.worker as u64);
    parts.unary(route, "MergeAnswers", move |_, _| {
        // By query id, the number of parts received and their merged answer.
        let mut open: HashMap<u64, (usize, Answer)> = HashMap::new();
        move |input, output| {
            input.for_each(|capability, parts: &mut Vec<Part>| {
                let Some(time) = capability.least().copied() else { return };
                let mut session = output.session(&capability);
                for (request, part) in parts.drain(..) {
                    let (count, mut answer) = match open.remove(&request.id) {
                        Some((count, mut answer)) => {
                            answer.merge(part);
                            (count + 1, answer)
                        }
                        None => (1, part),
                    };
                    if count < workers {
                        open.insert(request.id, (count, answer));
                        continue;
                    }
                    answer.finish();
                    session.give((request.id, time, answer));
                }
            });
        }
    })
}
