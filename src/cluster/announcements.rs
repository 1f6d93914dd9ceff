//! What the log and the source of a node announce to the other nodes.

use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};

use super::event::Event;
use crate::kinesis::ShardReport;

/// Announces to the other nodes what happens on this one. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Announcements(Arc<OnceLock<Sender<Event>>>);

impl Announcements {
    /// A tick with events ended at the time `clock_ms` of the log. Results advance with the slowest log, so the logs of the
    /// other nodes, which may be idle, then advance too.
    pub fn tick(&self, clock_ms: u64) {
        self.send(Event::Tick(clock_ms));
    }

    /// Something is new about the shards that this node reads.
    pub fn shards(&self, report: ShardReport) {
        self.send(Event::Shards(report));
    }

    /// Sends to the member that receives `events` from now on.
    pub(super) fn send_to(&self, events: Sender<Event>) {
        _ = self.0.set(events);
    }

    fn send(&self, event: Event) {
        if let Some(events) = self.0.get() {
            events.send(event).unwrap_or_default();
        }
    }
}
