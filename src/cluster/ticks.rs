//! Reports the ticks of a node's log to the other nodes, whose logs may be idle.

use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};

use super::event::Event;

/// Reports the ends of ticks with events. Results advance with the slowest log, so the logs of the other nodes then
/// advance too. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Ticks(Arc<OnceLock<Sender<Event>>>);

impl Ticks {
    /// A tick with events ended at the time `clock_ms` of the log.
    pub fn end(&self, clock_ms: u64) {
        if let Some(events) = self.0.get() {
            events.send(Event::Tick(clock_ms)).unwrap_or_default();
        }
    }

    /// Reports to the member that receives `events` from now on.
    pub(super) fn report_to(&self, events: Sender<Event>) {
        _ = self.0.set(events);
    }
}
