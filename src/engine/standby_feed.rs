//! The feed of a standby engine: it passes on the log's deliveries from a chosen time.
//!
//! A standby engine replays the log's files while the log keeps delivering. Near the end of the replay,
//! the feed queues the log's deliveries. The standby engine then attaches: it receives the queued and
//! all later deliveries, each exactly once.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use velodrome_dataflows::EventTime;

use super::command::Events;
use super::feeder::Feeder;
use crate::log::Delivery;

/// Capacity of the queue for a standby engine, in events: a few seconds of a busy service, about 120 MB.
/// A queue that overflows is dropped, and the standby engine must read the log's files again.
const QUEUED_EVENTS_MAX: usize = 1_000_000;

/// A queue of at most this many events is delivered under the lock, which briefly blocks the log. A
/// longer one is delivered without the lock first.
const LOCKED_EVENTS_MAX: usize = 1_000;

/// The deliveries for a standby engine. Clones refer to the same feed.
#[derive(Clone, Debug, Default)]
pub struct StandbyFeed(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
pub(super) struct State {
    /// The last arrival or advance.
    last: EventTime,
    /// The last advance.
    last_advance: EventTime,
    standby: Standby,
}

/// How deliveries for a standby engine are handled.
#[derive(Debug, Default)]
enum Standby {
    /// There is no standby engine.
    #[default]
    Absent,
    /// Deliveries wait in the queue. The number is the count of its events.
    Queued(VecDeque<Delivery<Events>>, usize),
    /// The queue was dropped because it had too many events.
    Overflowed,
    /// The standby engine receives deliveries.
    Attached(Feeder),
}

impl StandbyFeed {
    /// The time of the last advance. Everything that arrived before it is durable and was delivered.
    pub fn last_advance(&self) -> EventTime {
        self.lock().last_advance
    }

    /// Starts to queue deliveries. All earlier deliveries arrived at the returned time or before.
    pub fn start_queueing(&self) -> EventTime {
        let mut state = self.lock();
        state.standby = Standby::Queued(VecDeque::new(), 0);
        state.last
    }

    /// Waits up to `timeout` for an advance to a time after `clock`. Returns its time, or `None` when
    /// there was none.
    pub fn wait_advance_past(&self, clock: EventTime, timeout: Duration) -> Option<EventTime> {
        let (_, delivered) = &*self.0;
        let is_before = |state: &mut State| state.last_advance <= clock;
        let waited = delivered.wait_timeout_while(self.lock(), timeout, is_before);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (state.last_advance > clock).then_some(state.last_advance)
    }

    /// Attaches a standby engine that has all events that arrived before `from`. Its feeder receives the
    /// rest of the queue and all later deliveries.
    ///
    /// # Errors
    /// When the queue overflowed or was never started. The error is the new `from`: the standby engine
    /// has all events that arrived before it.
    pub fn attach(&self, feeder: Feeder, mut from: EventTime) -> Result<(), EventTime> {
        loop {
            let mut state = self.lock();
            let Standby::Queued(queue, events) = &mut state.standby else { return Err(from) };
            let (queue, events) = (mem::take(queue), mem::take(events));
            if events > LOCKED_EVENTS_MAX {
                // Release the lock, so the log can deliver to the queue in the meantime.
                drop(state);
                deliver_from(&feeder, queue, &mut from);
                continue;
            }
            deliver_from(&feeder, queue, &mut from);
            state.standby = Standby::Attached(feeder);
            return Ok(());
        }
    }

    /// Ends deliveries to the standby engine, and calls `act` under the lock, before the log's next
    /// delivery.
    pub fn detach<T>(&self, act: impl FnOnce() -> T) -> T {
        let mut state = self.lock();
        state.standby = Standby::Absent;
        act()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the threads that wait for an advance.
    pub(super) fn notify(&self) {
        self.0.1.notify_all();
    }
}

/// Delivers the events of `queue` that arrived at `from` or later, and moves `from` to the last arrival.
fn deliver_from(feeder: &Feeder, queue: VecDeque<Delivery<Events>>, from: &mut EventTime) {
    for mut delivery in queue {
        if let Delivery::Batch { last_arrival, payload, .. } = &mut delivery {
            payload.samples.retain(|sample| sample.clock >= *from);
            payload.tracking.retain(|event| event.clock >= *from);
            *from = *last_arrival.max(from);
        }
        feeder.deliver(delivery);
    }
}

impl State {
    /// Records a delivery of the log, and passes a copy on to a standby engine.
    pub(super) fn deliver(&mut self, delivery: &Delivery<Events>) {
        match delivery {
            Delivery::Batch { last_arrival, .. } => self.last = *last_arrival,
            Delivery::Advance(clock) => (self.last, self.last_advance) = (*clock, *clock),
        }
        self.standby.deliver(delivery);
    }
}

impl Standby {
    fn deliver(&mut self, delivery: &Delivery<Events>) {
        match self {
            Self::Absent | Self::Overflowed => {}
            Self::Attached(feeder) => feeder.deliver(delivery.clone()),
            Self::Queued(queue, events) => {
                if let Delivery::Batch { payload, .. } = delivery {
                    *events += payload.len();
                }
                if *events > QUEUED_EVENTS_MAX {
                    *self = Self::Overflowed;
                } else {
                    queue.push_back(delivery.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Instant;

    use super::super::fanout::Fanout;
    use super::super::test_support::{batch, engine, received};
    use super::*;

    #[test]
    fn a_standby_engine_receives_each_delivery_once_until_it_is_detached() {
        let ((active, active_commands), (standby, standby_commands)) = (engine(), engine());
        let feed = StandbyFeed::default();
        let mut fanout = Fanout::new(active, &feed);
        assert_eq!(feed.attach(Feeder::new(standby.clone()), 7), Err(7), "nothing was queued");
        fanout.deliver(batch(&[10]));
        fanout.deliver(Delivery::Advance(20));
        assert_eq!(feed.last_advance(), 20);
        assert_eq!(feed.start_queueing(), 20);
        fanout.deliver(batch(&[20, 25]));
        // After an advance to 20, more events can arrive at 20.
        assert_eq!(feed.wait_advance_past(20, Duration::ZERO), None);
        fanout.deliver(Delivery::Advance(30));
        assert_eq!(feed.wait_advance_past(20, Duration::ZERO), Some(30));
        fanout.deliver(batch(&[30, 31]));
        feed.attach(Feeder::new(standby), 30).unwrap();
        fanout.deliver(batch(&[40]));
        fanout.deliver(Delivery::Advance(50));
        let delivered = feed.detach(|| received(&standby_commands));
        assert_eq!(delivered, (vec![30, 31, 40], vec![30, 50]));
        fanout.deliver(batch(&[60]));
        assert_eq!(received(&standby_commands), (vec![], vec![]));
        assert_eq!(received(&active_commands).0, [10, 20, 25, 30, 31, 40, 60]);
    }

    #[test]
    fn a_wait_ends_with_the_next_advance() {
        const TIMEOUT: Duration = Duration::from_secs(30);
        let feed = StandbyFeed::default();
        let mut fanout = Fanout::new(engine().0, &feed);
        fanout.deliver(Delivery::Advance(20));
        let began = Instant::now();
        let reached = thread::scope(|scope| {
            let waiting = scope.spawn(|| feed.wait_advance_past(20, TIMEOUT));
            thread::sleep(Duration::from_millis(20));
            fanout.deliver(Delivery::Advance(30));
            waiting.join().unwrap()
        });
        assert_eq!(reached, Some(30));
        assert!(began.elapsed() < TIMEOUT);
    }

    #[test]
    fn the_queue_overflows_at_its_bound() {
        let ((active, active_commands), (standby, _)) = (engine(), engine());
        let feed = StandbyFeed::default();
        let mut fanout = Fanout::new(active, &feed);
        feed.start_queueing();
        let half = vec![7; QUEUED_EVENTS_MAX / 2];
        for fits in [true, true, false] {
            assert!(matches!(feed.lock().standby, Standby::Queued(..)));
            fanout.deliver(batch(&half));
            received(&active_commands);
            assert_eq!(matches!(feed.lock().standby, Standby::Queued(..)), fits);
        }
        assert_eq!(feed.attach(Feeder::new(standby), 0), Err(0));
    }
}
