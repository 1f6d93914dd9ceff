//! The junction of the log and the engines: what the log delivers goes to the service's engine, and for some
//! time to another one beside it.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use velodrome_dataflows::Clock;

use super::live::Feeder;
use super::service::{Engine, Events};
use crate::log::Delivery;

/// So many events wait for an engine beside the service's, at most: some seconds' worth of a busy service,
/// 120 MB.
const QUEUED_EVENTS_MAX: usize = 1_000_000;

/// So many events at most are handed over while the log waits.
const FEW_EVENTS: usize = 1_000;

/// The log's end of the junction.
#[derive(Debug)]
pub struct Tee {
    feeder: Feeder,
    junction: Junction,
}

/// Where an engine beside the service's gets what the log delivers; clones are handles of the same.
#[derive(Clone, Debug, Default)]
pub struct Junction(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    /// The last arrival or advance.
    last: Clock,
    /// The last advance.
    advanced: Clock,
    beside: Beside,
}

/// What becomes of deliveries beside the service's engine.
#[derive(Debug, Default)]
enum Beside {
    /// Nothing.
    #[default]
    Nobody,
    /// They wait, with so many events.
    Queued(VecDeque<Delivery<Events>>, usize),
    /// There were too many to wait.
    Overflowed,
    /// An engine gets them as well.
    Engine(Feeder),
}

impl Tee {
    /// Feeds `engine`, and what is at `junction`.
    pub fn new(engine: Engine, junction: &Junction) -> Self {
        Self { feeder: Feeder::new(engine), junction: junction.clone() }
    }

    /// Takes what the log delivers, in its order.
    pub fn take(&mut self, mut delivery: Delivery<Events>) {
        // All of it under the lock: an engine that takes the place of another misses nothing and gets
        // nothing twice.
        let mut state = self.junction.lock();
        match &mut delivery {
            Delivery::Batch { from, arrival, payload } => {
                // As the log has it: what arrived by itself before other lines, with them; all else, now.
                let settle = |clock: &mut Clock| *clock = (*clock).clamp(*from, *arrival);
                payload.samples.iter_mut().for_each(|sample| settle(&mut sample.clock));
                payload.tracking.iter_mut().for_each(|event| settle(&mut event.clock));
                state.last = *arrival;
            }
            Delivery::Advance(clock) => (state.last, state.advanced) = (*clock, *clock),
        }
        state.beside.take(&delivery);
        self.feeder.take(delivery);
        drop(state);
        self.junction.0.1.notify_all();
    }
}

impl Junction {
    /// The last advance: whatever arrived before it is durable, and was delivered.
    pub fn advanced(&self) -> Clock {
        self.lock().advanced
    }

    /// From now on deliveries wait for an engine. All before them arrived at the time that is returned or
    /// earlier.
    pub fn queue(&self) -> Clock {
        let mut state = self.lock();
        state.beside = Beside::Queued(VecDeque::new(), 0);
        state.last
    }

    /// Waits for an advance to a time later than `clock`, for at most `wait`; tells it.
    pub fn advanced_past(&self, clock: Clock, wait: Duration) -> Option<Clock> {
        let (_, delivered) = &*self.0;
        let waited = delivered.wait_timeout_while(self.lock(), wait, |s| s.advanced <= clock);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (state.advanced > clock).then_some(state.advanced)
    }

    /// Lets `feeder`'s engine, which has all that arrived before `from`, have the deliveries that wait, and
    /// all that follow.
    ///
    /// # Errors
    /// Too many came to wait. The engine has all that arrived before the time that is told.
    pub fn join(&self, mut feeder: Feeder, mut from: Clock) -> Result<(), Clock> {
        let mut feed = |queue: VecDeque<Delivery<Events>>, from: &mut Clock| {
            for mut delivery in queue {
                if let Delivery::Batch { arrival, payload, .. } = &mut delivery {
                    payload.samples.retain(|sample| sample.clock >= *from);
                    payload.tracking.retain(|event| event.clock >= *from);
                    *from = *arrival.max(from);
                }
                feeder.take(delivery);
            }
        };
        loop {
            let mut state = self.lock();
            let Beside::Queued(queue, events) = &mut state.beside else { return Err(from) };
            let (queue, events) = (mem::take(queue), mem::take(events));
            if events > FEW_EVENTS {
                // The log need not wait for these.
                drop(state);
                feed(queue, &mut from);
                continue;
            }
            feed(queue, &mut from);
            state.beside = Beside::Engine(feeder);
            return Ok(());
        }
    }

    /// Does `act` between two deliveries; from then on no engine beside the service's gets any.
    pub fn leave<T>(&self, act: impl FnOnce() -> T) -> T {
        let mut state = self.lock();
        state.beside = Beside::Nobody;
        act()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beside {
    fn take(&mut self, delivery: &Delivery<Events>) {
        match self {
            Self::Nobody | Self::Overflowed => {}
            Self::Engine(feeder) => feeder.take(delivery.clone()),
            Self::Queued(queue, events) => {
                if let Delivery::Batch { payload, .. } = delivery {
                    *events += payload.samples.len() + payload.tracking.len();
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
    use std::fs;

    use tokio::sync::watch;
    use velodrome_dataflows::Tracking;

    use super::super::service::{Command, Inbox, Mailbox};
    use super::*;
    use crate::health::Health;
    use crate::log::{self, Lines};
    use crate::store;

    #[test]
    fn clocks_of_events_are_the_arrivals_of_their_lines_in_the_log() {
        const START_MS: u64 = 1_620_240_001_000;
        let root = tempfile::tempdir().unwrap();
        let archive = Arc::new(store::Directory::new(root.path().join("archive")));
        let (mailbox, inbox) = Mailbox::new();
        let engine = Engine::new(vec![mailbox], watch::channel(0).1, Arc::default());
        let mut tee = Tee::new(engine, &Junction::default());
        let (clock, source) = log::Clock::system().followed();
        source.reach(START_MS);
        let log = log::open(root.path(), archive, clock).unwrap();
        let part = Health::default().part("archive");
        let log = log.start(part, move |delivery| tee.take(delivery)).unwrap();
        // What comes from the source, what comes by itself, and what comes late.
        for own in [Some([50, 30, 90]), None, Some([10, 4_000, 200]), Some([1, 2, 3]), None] {
            let (mut lines, mut events) = (Lines::new(), Events::default());
            for number in 0..3 {
                let clock = match own {
                    Some(own) => lines.push_at(br#"{"a":1}"#, START_MS + own[number]),
                    None => {
                        lines.push(br#"{"a":1}"#);
                        0
                    }
                };
                let project = "p".into();
                let event = Tracking { clock, uuid: 1, project, duration_ms: 0, is_view: true };
                events.tracking.push(event);
            }
            log.append(lines, events).unwrap().blocking_recv().unwrap().unwrap();
        }
        log.close();

        let mut clocks = Vec::new();
        while let Ok(command) = inbox.take() {
            if let Command::Events(time, events) = command {
                assert!(events.tracking.iter().all(|event| event.clock <= time));
                clocks.extend(events.tracking.iter().map(|event| event.clock));
            }
        }
        let segment = fs::read_dir(root.path().join("log")).unwrap().next().unwrap().unwrap();
        let text = fs::read_to_string(segment.path()).unwrap();
        let arrival = |line: &str| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["arrivalTimestamp"].as_u64().unwrap()
        };
        assert_eq!(clocks, text.lines().map(arrival).collect::<Vec<_>>());
        assert_eq!(clocks[..3], [50, 50, 90].map(|ms| START_MS + ms));
    }

    /// What a worker was given: times of events, and the clocks that it was advanced to.
    fn given(inbox: &Inbox) -> (Vec<Clock>, Vec<Clock>) {
        let (mut clocks, mut advances) = (Vec::new(), Vec::new());
        while let Ok(command) = inbox.take() {
            match command {
                Command::Events(_, events) => {
                    clocks.extend(events.tracking.iter().map(|event| event.clock));
                }
                Command::Advance(clock) => advances.push(clock),
                other => panic!("{other:?}"),
            }
        }
        (clocks, advances)
    }

    fn engine() -> (Engine, Inbox) {
        let (mailbox, inbox) = Mailbox::new();
        (Engine::new(vec![mailbox], watch::channel(0).1, Arc::default()), inbox)
    }

    fn batch(clocks: &[Clock]) -> Delivery<Events> {
        let event = |clock: &Clock| Tracking {
            clock: *clock,
            uuid: 1,
            project: "p".into(),
            duration_ms: 0,
            is_view: true,
        };
        let tracking = clocks.iter().map(event).collect();
        let payload = Events { samples: Vec::new(), tracking };
        Delivery::Batch { from: clocks[0], arrival: clocks[clocks.len() - 1], payload }
    }

    #[test]
    fn an_engine_beside_gets_all_from_a_time_on_once_and_nothing_after_it_leaves() {
        let ((own, own_inbox), (beside, inbox)) = (engine(), engine());
        let junction = Junction::default();
        let mut tee = Tee::new(own, &junction);
        assert_eq!(junction.join(Feeder::new(beside.clone()), 7), Err(7), "nothing was queued");
        tee.take(batch(&[10]));
        tee.take(Delivery::Advance(20));
        assert_eq!(junction.advanced(), 20);
        assert_eq!(junction.queue(), 20);
        tee.take(batch(&[20, 25]));
        // An advance to a time that something may have come at before says nothing.
        assert_eq!(junction.advanced_past(20, Duration::ZERO), None);
        tee.take(Delivery::Advance(30));
        assert_eq!(junction.advanced_past(20, Duration::ZERO), Some(30));
        tee.take(batch(&[30, 31]));
        junction.join(Feeder::new(beside), 30).unwrap();
        tee.take(batch(&[40]));
        tee.take(Delivery::Advance(50));
        assert_eq!(junction.leave(|| given(&inbox)), (vec![30, 31, 40], vec![30, 50]));
        tee.take(batch(&[60]));
        assert_eq!(given(&inbox), (vec![], vec![]));
        assert_eq!(given(&own_inbox).0, [10, 20, 25, 30, 31, 40, 60]);
    }

    #[test]
    fn too_many_events_do_not_wait() {
        let ((own, own_inbox), (beside, _)) = (engine(), engine());
        let junction = Junction::default();
        let mut tee = Tee::new(own, &junction);
        junction.queue();
        let many = vec![7; QUEUED_EVENTS_MAX / 2];
        for fits in [true, true, false] {
            assert!(matches!(junction.lock().beside, Beside::Queued(..)));
            tee.take(batch(&many));
            given(&own_inbox);
            assert_eq!(matches!(junction.lock().beside, Beside::Queued(..)), fits);
        }
        assert_eq!(junction.join(Feeder::new(beside), 0), Err(0));
    }
}
