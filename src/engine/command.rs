//! Commands to the workers of a service.

use tokio::sync::oneshot;
use velodrome_dataflows::{Answer, Ban, Change, EventTime, Query, Sample, Tracking, ViewChange};

/// Events of one accepted batch.
///
/// Until the log has stamped the batch, the `clock` of an event is the index of its line in the batch.
#[derive(Clone, Debug, Default)]
pub struct Events {
    /// Race events.
    pub samples: Vec<Sample>,
    /// Tracking events.
    pub tracking: Vec<Tracking>,
}

impl Events {
    /// The number of events.
    pub fn len(&self) -> usize {
        self.samples.len() + self.tracking.len()
    }

    /// Whether there are no events.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A command to one worker.
#[derive(Debug)]
pub enum Command {
    /// Rides and views from a checkpoint. No restore may follow the first event or advance.
    Restore(Vec<Change>, Vec<ViewChange>),
    /// Events to send into the graph at a logical time. Their clocks must be set and must not be later
    /// than that time.
    Events(EventTime, Events),
    /// All later events have this logical time or a later one.
    Advance(EventTime),
    /// Ban changes, for worker 0. The reply is the time from which on all answers include them.
    Ban(Vec<Ban>, oneshot::Sender<EventTime>),
    /// A query. The reply is the answer and the time as of which it was evaluated.
    Query(Query, oneshot::Sender<(EventTime, Answer)>),
    /// Ends the worker.
    Stop,
}
