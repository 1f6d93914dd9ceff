//! The writer: makes groups of batches durable, delivers and acknowledges them, and delivers advances.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use metrics::{counter, gauge};
use tracing::{error, info, warn};

use super::admission::{Admission, Appended, RejectedLine};
use super::appender::{AppendFailure, Appender};
use super::arrival_slots::ArrivalSlots;
use super::clock::Clock;
use super::delivery::{Delivery, TICK_MS};
use super::error::{AppendError, LogHealth, Obstacle};
use super::log_lines::LogLines;
use super::positions::Positions;
use super::queue::{Batch, Queue};
use super::sealer::SealRequests;

/// The wall time between advances of an idle log. Without them, rides would not close while no events
/// arrive.
const IDLE_ADVANCE: Duration = Duration::from_secs(1);

/// The state of the writer thread.
pub(super) struct Writer<P, A, D> {
    pub(super) queue: Arc<Queue<P>>,
    pub(super) clock: Clock,
    pub(super) admission: A,
    pub(super) deliver: D,
    pub(super) appender: Appender,
    pub(super) positions: Positions,
    /// Receives the closed segments. Dropping it ends the sealer.
    pub(super) seal_requests: SealRequests,
    /// The most recent arrival or advance. The log's time is the clock's time, but never earlier than
    /// this.
    pub(super) min_ms: u64,
    /// The time of the next advance.
    pub(super) next_advance_ms: u64,
    pub(super) slots: ArrivalSlots,
    /// Whether the last segment is sealed at the end, and not by the next start.
    pub(super) seals_at_end: bool,
    /// When the first batch of the current tick was delivered, if one was. The next advance ends the tick.
    pub(super) tick_opened: Option<Instant>,
}

impl<P, A: Admission<P>, D: FnMut(Delivery<P>)> Writer<P, A, D> {
    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        let _guard = CloseOnDrop(&*queue);
        let mut is_closed = false;
        while !is_closed {
            let timeout = self.clock.wall_duration(self.next_advance_ms.saturating_sub(self.now()));
            let drained = self.queue.drain(timeout);
            is_closed = drained.is_closed;
            if drained.must_advance {
                self.next_advance_ms = self.next_advance_ms.min(self.now());
            }
            self.advance(drained.is_timeout);
            if !drained.batches.is_empty() {
                self.commit(drained.batches);
            }
            // A poisoned log must not seal its newest segment: the next start truncates its torn end
            // first.
            if !matches!(self.queue.health(), LogHealth::Poisoned(_)) {
                let closed_below = self.appender.rotate(self.now());
                self.seal_requests.seal_below(closed_below);
            }
        }
        // End the open tick now, because readers may be waiting for it.
        if self.tick_opened.is_none() {
            self.next_advance_ms = self.now();
        }
        self.advance(true);
        if !matches!(self.queue.health(), LogHealth::Poisoned(_)) {
            self.appender.close();
            if self.seals_at_end {
                self.seal_requests.seal_below(self.appender.rotate(self.now()));
            }
        }
    }

    fn now(&self) -> u64 {
        self.clock.now().max(self.min_ms)
    }

    /// Delivers an advance if it is due. An open tick ends after its time even if the clock is earlier than
    /// the log: when the wait timed out (`wait_timed_out`), or under steady load.
    fn advance(&mut self, wait_timed_out: bool) {
        let is_over = |opened: Instant| {
            let tick = self.clock.wall_duration(TICK_MS);
            wait_timed_out || tick.is_some_and(|tick| opened.elapsed() > tick)
        };
        if self.tick_opened.is_some_and(is_over) {
            self.min_ms = self.min_ms.max(self.next_advance_ms);
        }
        let now = self.now();
        if now >= self.next_advance_ms {
            self.min_ms = now;
            self.next_advance_ms = now + self.clock.clock_ms_in(IDLE_ADVANCE);
            self.tick_opened = None;
            self.probe();
            self.admission.advance_to(now);
            (self.deliver)(Delivery::Advance(now));
        }
    }

    /// Makes a group of batches durable, then delivers and acknowledges each. On failure, sends the
    /// error to each.
    fn commit(&mut self, mut group: Vec<Batch<P>>) {
        let (now, mut last) = (self.now(), self.min_ms);
        let (admission, slots) = (&mut self.admission, self.slots);
        let mut stamp = |Batch { lines, payload, .. }: &mut Batch<P>| {
            let span = lines.stamp(now.max(last), last, slots);
            last = *span.end();
            (span, admit(admission, lines, payload))
        };
        let stamped: Vec<_> = group.iter_mut().map(&mut stamp).collect();
        let oldest = stamped.first().map_or(now, |(span, _)| *span.start());
        if let Err(error) = self.append(oldest, &group) {
            self.admission.revoke();
            if matches!(error, AppendError::Poisoned(_)) {
                self.positions.fail_from(oldest);
            }
            for batch in group {
                // The caller may have stopped waiting.
                _ = batch.reply.send(Err(error.clone()));
            }
            return;
        }
        self.admission.confirm();
        self.min_ms = last;
        if let Some(position) = self.appender.position() {
            self.positions.push(last, position);
        }
        for (Batch { payload, reply, .. }, (span, rejected)) in group.into_iter().zip(stamped) {
            let (first_arrival, last_arrival) = span.into_inner();
            (self.deliver)(Delivery::Batch { first_arrival, last_arrival, payload });
            _ = reply.send(Ok(Appended { arrival_ms: last_arrival, rejected }));
        }
        let end_ms = last.next_multiple_of(TICK_MS) + 1;
        self.next_advance_ms =
            if self.tick_opened.is_some() { self.next_advance_ms.min(end_ms) } else { end_ms };
        self.tick_opened.get_or_insert_with(Instant::now);
    }

    fn append(&mut self, oldest_ms: u64, group: &[Batch<P>]) -> Result<(), AppendError> {
        let health = self.queue.health();
        if let LogHealth::Poisoned(reason) = health {
            return Err(AppendError::Poisoned(reason));
        }
        if group.iter().all(|batch| batch.lines.is_empty()) {
            // All lines were rejected. A segment must not be created for them, because the sealer expects
            // lines in each.
            return Ok(());
        }
        let texts = group.iter().map(|batch| batch.lines.text());
        match self.appender.append(oldest_ms, texts) {
            Ok(()) => {
                if health != LogHealth::Healthy {
                    self.set_healthy();
                }
                let sum = |of: fn(&Batch<P>) -> usize| group.iter().map(of).sum::<usize>() as u64;
                counter!("velodrome_log_bytes_total").increment(sum(|batch| batch.lines.bytes()));
                counter!("velodrome_log_events_total").increment(sum(|batch| batch.lines.len()));
                Ok(())
            }
            Err(AppendFailure::Unavailable(obstacle)) => {
                self.set_unavailable(&obstacle);
                Err(AppendError::Unavailable(obstacle))
            }
            Err(AppendFailure::Broken(reason)) => {
                poison(&self.queue, &reason);
                Err(AppendError::Poisoned(reason))
            }
        }
    }

    /// Tests whether a log that is unavailable can write again. Without this test, clients that send only
    /// while the service is ready would never send again.
    fn probe(&mut self) {
        if !matches!(self.queue.health(), LogHealth::Unavailable(_)) {
            return;
        }
        match self.appender.probe() {
            Ok(()) => self.set_healthy(),
            Err(AppendFailure::Unavailable(obstacle)) => self.set_unavailable(&obstacle),
            Err(AppendFailure::Broken(reason)) => poison(&self.queue, &reason),
        }
    }

    fn set_healthy(&self) {
        info!("the log can write again; events are accepted");
        self.queue.set_health(LogHealth::Healthy);
    }

    fn set_unavailable(&self, obstacle: &Obstacle) {
        let health = LogHealth::Unavailable(obstacle.clone());
        if self.queue.health() != health {
            warn!("{obstacle}; events are refused until it can write again");
            self.queue.set_health(health);
        }
    }
}

/// Asks for the admission of a batch, and removes the rejected lines from it.
fn admit<P>(
    admission: &mut impl Admission<P>,
    lines: &mut LogLines,
    payload: &mut P,
) -> Vec<RejectedLine> {
    let rejected = admission.admit(lines, payload);
    if rejected.is_empty() {
        return Vec::new();
    }
    let indices: Vec<_> = rejected.iter().map(|(index, _)| *index).collect();
    let texts = lines.remove(&indices);
    let rejected = rejected.into_iter().zip(texts);
    rejected.map(|((index, reason), text)| RejectedLine { index, text, reason }).collect()
}

/// Makes the log reject all batches until a restart.
fn poison<P>(queue: &Queue<P>, reason: &str) {
    error!(reason, "the log stopped after a failed write; check the disk, and restart the service");
    gauge!("velodrome_log_poisoned").set(1.0);
    queue.set_health(LogHealth::Poisoned(reason.to_owned()));
}

/// Closes the queue when the writer ends, so that no caller waits for it. A panic poisons the log.
struct CloseOnDrop<'a, P>(&'a Queue<P>);

impl<P> Drop for CloseOnDrop<'_, P> {
    fn drop(&mut self) {
        if thread::panicking() {
            poison(self.0, "the writer panicked");
        }
        self.0.close();
        self.0.drain(Some(Duration::ZERO));
    }
}
