//! The writer: makes groups of batches durable, delivers and acknowledges them, and tells the time.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use metrics::{counter, gauge};
use tracing::{error, info, warn};

use super::appender::{Appender, Failure};
use super::clock::Clock;
use super::error::{AppendError, Health};
use super::queue::{Batch, Queue};
use super::sealer::Closed;

/// How fine the time is that readers wait for: after each tick with a batch, an advance passes its
/// end, and with steady load there is at most one a tick.
pub const TICK_MS: u64 = 10;

/// How often the time advances in an idle log, on the wall: rides end by the clock.
const IDLE: Duration = Duration::from_secs(1);

/// What the log tells, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery<P> {
    /// A batch that is durable from now on. No line of it has an arrival less than a line's before it.
    Batch {
        /// When its first line arrived.
        from: u64,
        /// When its last line arrived.
        arrival: u64,
        /// What was handed in beside its lines.
        payload: P,
    },
    /// Every later batch has an arrival of at least this, as long as this process lives.
    Advance(u64),
}

/// The state of the writer thread.
pub(super) struct Writer<P, D> {
    pub(super) queue: Arc<Queue<P>>,
    pub(super) clock: Clock,
    pub(super) deliver: D,
    pub(super) appender: Appender,
    /// Told of segments that are closed; without it the sealer ends.
    pub(super) closed: Closed,
    /// The log's time is the clock's, but not before this: the last arrival or advance.
    pub(super) floor_ms: u64,
    /// When the next advance is due.
    pub(super) due_ms: u64,
    /// Whether it is due because a tick with a batch ends.
    pub(super) is_tick: bool,
}

impl<P, D: FnMut(Delivery<P>)> Writer<P, D> {
    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        let _end = End(&*queue);
        let mut is_closed = false;
        while !is_closed {
            let wait = self.clock.wall(self.due_ms.saturating_sub(self.now()));
            let taken = self.queue.take(wait);
            is_closed = taken.is_closed;
            self.advance(taken.is_timeout);
            if !taken.batches.is_empty() {
                self.commit(taken.batches);
            }
            // A poisoned segment stays the newest, whose end is cut at the next start.
            if !matches!(self.queue.health(), Health::Poisoned(_)) {
                self.closed.below(self.appender.roll(self.now()));
            }
        }
        // Whoever waits for the end of the last tick waits no longer.
        if !self.is_tick {
            self.due_ms = self.now();
        }
        self.advance(true);
    }

    fn now(&self) -> u64 {
        self.clock.now().max(self.floor_ms)
    }

    /// Advances where it is due. Where the wait for the end of a tick is over, the tick is: a clock
    /// that went back holds nobody up.
    fn advance(&mut self, is_waited: bool) {
        if self.is_tick && is_waited {
            self.floor_ms = self.floor_ms.max(self.due_ms);
        }
        let now = self.now();
        if now >= self.due_ms {
            self.floor_ms = now;
            self.due_ms = now + self.clock.span_ms(IDLE);
            self.is_tick = false;
            self.try_space();
            (self.deliver)(Delivery::Advance(now));
        }
    }

    /// Makes a group durable, delivers and acknowledges it, or tells each of its batches why not.
    fn commit(&mut self, mut group: Vec<Batch<P>>) {
        let (now, mut last) = (self.now(), self.floor_ms);
        let mut arrive = |batch: &mut Batch<P>| {
            let span = batch.lines.arrive(now.max(last), last);
            last = *span.end();
            span
        };
        let spans: Vec<_> = group.iter_mut().map(&mut arrive).collect();
        let oldest = spans.first().map_or(now, |span| *span.start());
        if let Err(error) = self.append(oldest, &group) {
            for batch in group {
                // Whoever asked may be gone.
                _ = batch.answer.send(Err(error.clone()));
            }
            return;
        }
        self.floor_ms = last;
        for (Batch { payload, answer, .. }, span) in group.into_iter().zip(spans) {
            let (from, arrival) = span.into_inner();
            (self.deliver)(Delivery::Batch { from, arrival, payload });
            _ = answer.send(Ok(arrival));
        }
        let end_ms = last.next_multiple_of(TICK_MS) + 1;
        self.due_ms = if self.is_tick { self.due_ms.min(end_ms) } else { end_ms };
        self.is_tick = true;
    }

    fn append(&mut self, oldest_ms: u64, group: &[Batch<P>]) -> Result<(), AppendError> {
        let health = self.queue.health();
        if let Health::Poisoned(reason) = health {
            return Err(AppendError::Poisoned(reason));
        }
        let texts = group.iter().map(|batch| batch.lines.text());
        match self.appender.append(oldest_ms, texts) {
            Ok(()) => {
                if health == Health::DiskFull {
                    self.has_space();
                }
                let sum = |of: fn(&Batch<P>) -> usize| group.iter().map(of).sum::<usize>() as u64;
                counter!("velodrome_log_bytes_total").increment(sum(|batch| batch.lines.bytes()));
                counter!("velodrome_log_events_total").increment(sum(|batch| batch.lines.len()));
                Ok(())
            }
            Err(Failure::Full(reason)) => {
                if health == Health::Healthy {
                    warn!(%reason, "the log's disk is full; taking events again once it has space");
                    self.queue.set_health(Health::DiskFull);
                }
                Err(AppendError::DiskFull)
            }
            Err(Failure::Broken(reason)) => {
                poison(&self.queue, &reason);
                Err(AppendError::Poisoned(reason))
            }
        }
    }

    /// Looks whether a full disk has space again. Whoever sends only to a service that is ready would
    /// otherwise never send again.
    fn try_space(&mut self) {
        if self.queue.health() != Health::DiskFull {
            return;
        }
        match self.appender.try_space() {
            Ok(()) => self.has_space(),
            Err(Failure::Full(_)) => (),
            Err(Failure::Broken(reason)) => poison(&self.queue, &reason),
        }
    }

    fn has_space(&self) {
        info!("the log's disk has space again");
        self.queue.set_health(Health::Healthy);
    }
}

/// Has the log take nothing any more.
fn poison<P>(queue: &Queue<P>, reason: &str) {
    error!(reason, "the log is poisoned: it takes nothing more until a restart");
    gauge!("velodrome_log_poisoned").set(1.0);
    queue.set_health(Health::Poisoned(reason.to_owned()));
}

/// The end of the writer, however it comes: nobody waits for it any more.
struct End<'a, P>(&'a Queue<P>);

impl<P> Drop for End<'_, P> {
    fn drop(&mut self) {
        if thread::panicking() {
            poison(self.0, "the writer panicked");
        }
        self.0.close();
        self.0.take(Some(Duration::ZERO));
    }
}
