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

    /// Splits the events by the workers that receive them in the end, out of `workers`.
    pub(super) fn split(self, workers: usize) -> Vec<Self> {
        if workers <= 1 {
            return vec![self];
        }
        let capacity = |len: usize| len / workers + len / 8;
        let part = || Self {
            samples: Vec::with_capacity(capacity(self.samples.len())),
            tracking: Vec::with_capacity(capacity(self.tracking.len())),
        };
        let mut parts: Vec<_> = (0..workers).map(|_| part()).collect();
        let of = |route: u64| (route % workers as u64) as usize;
        self.samples.into_iter().for_each(|sample| parts[of(sample.route())].samples.push(sample));
        self.tracking.into_iter().for_each(|event| parts[of(event.route())].tracking.push(event));
        parts
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
