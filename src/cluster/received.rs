//! What the coordinator does with the messages of nodes: it forms and ends generations, passes on times, and makes changes
//! of bans on all nodes.

use super::changes::{Change, Step};
use super::coordinator::{Coordinator, NO_GENERATION};
use super::formed::SwitchRequest;
use super::message::Message;

impl Coordinator {
    /// Handles a message from the node at `position`.
    pub(super) fn handle(&mut self, position: usize, message: Message) {
        match message {
            Message::Ready(ready) => self.ready(position, *ready),
            Message::CaughtUp { generation } => self.caught_up(position, generation),
            Message::Lost { generation, reason, is_consequence } => {
                // It may name another node, so that both are named.
                let id = self.config.nodes[position].id;
                self.ended(generation, &format!("node {id}: {reason}"), is_consequence);
            }
            Message::Report(report) => {
                self.members[position].report = Some(report);
                // Once a second, with the reports of the others since.
                if position == 0 {
                    self.send_view();
                }
            }
            Message::Advance { clock_ms } => {
                self.send_others(position, || Message::Advance { clock_ms });
            }
            Message::Shards(report) => {
                self.send_others(position, || Message::Shards(report.clone()));
            }
            Message::Change { id, .. } if self.current.is_none() => {
                let result = Err(NO_GENERATION.to_owned());
                self.send(position, || Message::Changed { id, result: result.clone() });
            }
            Message::Change { id, ban } => {
                let steps = self.changes.add(Change { requester: position, id, ban });
                self.take(steps);
            }
            Message::Persisted { number, error } => self.persisted(position, number, error),
            Message::Applied { number, result } => {
                let steps = self.changes.finish(number, result);
                self.take(steps);
            }
            Message::Switch { id, rules, is_forced } => {
                self.switch(SwitchRequest { requester: position, id }, rules, is_forced);
            }
            _ => {}
        }
    }

    /// A node has made a change of bans durable, or cannot.
    fn persisted(&mut self, position: usize, number: u64, error: Option<String>) {
        let Some(error) = error else {
            let steps = self.changes.persisted(position, number, self.members.len());
            return self.take(steps);
        };
        let reason = format!("{}: {error}", self.name(position));
        let steps = self.changes.finish(number, Err(reason.clone()));
        self.take(steps);
        if position > 0 {
            // The first node has the change. The next generation makes the lists equal.
            self.end_all(&reason);
        }
    }

    /// Takes the next steps of changes of bans.
    pub(super) fn take(&self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Persist(positions, number, ban) => {
                    for position in positions {
                        self.send(position, || Message::Persist { number, ban });
                    }
                }
                Step::Apply(number) => self.send(0, || Message::Apply { number }),
                Step::Reply(Change { requester, id, .. }, result) => {
                    self.send(requester, || Message::Changed { id, result: result.clone() });
                }
            }
        }
    }
}
