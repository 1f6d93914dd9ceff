//! The requests of a member to the coordinator that have no reply yet.

use std::collections::HashMap;

use super::event::{Changed, Reply, Switched};

/// The requests without a reply, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Requests {
    open: HashMap<u64, Reply>,
    count: u64,
}

impl Requests {
    /// Adds a request, and returns its number.
    pub(super) fn add(&mut self, reply: Reply) -> u64 {
        self.count += 1;
        self.open.insert(self.count, reply);
        self.count
    }

    /// Passes on the reply to a change of bans. The caller may have stopped waiting.
    pub(super) fn changed(&mut self, id: u64, result: Changed) {
        if let Some(Reply::Changed(reply)) = self.open.remove(&id) {
            reply.try_send(result).unwrap_or_default();
        }
    }

    /// Passes on the reply to a switch of rules. The caller may have stopped waiting.
    pub(super) fn switched(&mut self, id: u64, result: Switched) {
        if let Some(Reply::Switched(reply)) = self.open.remove(&id) {
            reply.try_send(result).unwrap_or_default();
        }
    }

    /// Ends all requests without a reply.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }
}
