//! The changes of bans that a coordinator makes, one at a time: first it makes a change durable on all nodes, its own
//! first, and then it has its own node apply it to the engine.

use std::collections::{BTreeSet, VecDeque};

use velodrome_dataflows::{Ban, EventTime};

/// A change that a node requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The position of the node.
    pub(super) requester: usize,
    /// The number of the request on that node.
    pub(super) id: u64,
    pub(super) ban: Ban,
}

/// What the coordinator must do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Have these nodes make the change with this number durable.
    Persist(Vec<usize>, u64, Ban),
    /// Have the coordinator's node apply the change with this number.
    Apply(u64),
    /// Reply to the requester.
    Reply(Change, Result<EventTime, String>),
}

/// The changes in progress and in the queue.
#[derive(Debug, Default)]
pub(super) struct Changes {
    queue: VecDeque<Change>,
    current: Option<Current>,
    count: u64,
}

#[derive(Debug)]
struct Current {
    number: u64,
    change: Change,
    /// The nodes that have not made it durable yet.
    missing: BTreeSet<usize>,
    is_first: bool,
}

impl Changes {
    /// Adds a change. `nodes` is the number of nodes.
    pub(super) fn add(&mut self, change: Change) -> Vec<Step> {
        self.queue.push_back(change);
        self.next()
    }

    /// The node at `position` has made the change `number` durable.
    pub(super) fn persisted(&mut self, position: usize, number: u64, nodes: usize) -> Vec<Step> {
        let Some(current) = self.current.as_mut().filter(|current| current.number == number) else {
            return Vec::new();
        };
        current.missing.remove(&position);
        if !current.missing.is_empty() {
            return Vec::new();
        }
        if current.is_first && nodes > 1 {
            current.is_first = false;
            current.missing = (1..nodes).collect();
            return vec![Step::Persist((1..nodes).collect(), number, current.change.ban)];
        }
        vec![Step::Apply(number)]
    }

    /// The change `number` is over with this result.
    pub(super) fn finish(&mut self, number: u64, result: Result<EventTime, String>) -> Vec<Step> {
        match self.current.take_if(|current| current.number == number) {
            Some(Current { change, .. }) => {
                let mut steps = vec![Step::Reply(change, result)];
                steps.extend(self.next());
                steps
            }
            None => Vec::new(),
        }
    }

    /// All changes fail, because the generation has ended.
    pub(super) fn fail_all(&mut self, reason: &str) -> Vec<Step> {
        let current = self.current.take().map(|current| current.change);
        let changes = current.into_iter().chain(self.queue.drain(..));
        changes.map(|change| Step::Reply(change, Err(reason.to_owned()))).collect()
    }

    fn next(&mut self) -> Vec<Step> {
        if self.current.is_some() {
            return Vec::new();
        }
        let Some(change) = self.queue.pop_front() else { return Vec::new() };
        self.count += 1;
        let (number, missing) = (self.count, BTreeSet::from([0]));
        self.current = Some(Current { number, change, missing, is_first: true });
        vec![Step::Persist(vec![0], number, change.ban)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(id: u64) -> Change {
        Change { requester: 2, id, ban: Ban { racer: id as u32, is_banned: true } }
    }

    #[test]
    fn a_change_is_durable_on_the_first_node_then_on_all_and_then_in_effect() {
        let mut changes = Changes::default();
        let ban = change(7).ban;
        assert_eq!(changes.add(change(7)), [Step::Persist(vec![0], 1, ban)]);
        assert_eq!(changes.add(change(8)), []);
        assert_eq!(changes.persisted(0, 1, 3), [Step::Persist(vec![1, 2], 1, ban)]);
        assert_eq!(changes.persisted(2, 1, 3), []);
        assert_eq!(changes.persisted(1, 9, 3), [], "another change");
        assert_eq!(changes.persisted(1, 1, 3), [Step::Apply(1)]);
        let next = Step::Persist(vec![0], 2, change(8).ban);
        assert_eq!(changes.finish(1, Ok(50)), [Step::Reply(change(7), Ok(50)), next]);
        let failed = |id| Step::Reply(change(id), Err("lost".to_owned()));
        changes.add(change(9));
        assert_eq!(changes.fail_all("lost"), [failed(8), failed(9)]);
        assert_eq!(changes.finish(2, Ok(60)), []);
    }
}
