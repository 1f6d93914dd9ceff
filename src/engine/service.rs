//! The handle of a running engine: what the service asks it, and how far it is.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::{oneshot, watch};
use velodrome_dataflows::{
    Answer, Ban, Change, Clock, Query, Rules, Sample, Scoring, Tracking, Viewed,
};

use crate::feeds::{Feeds, Live};
use crate::log::TICK_MS;

/// Commands that wait for a worker, at most; then whoever sends events waits, and queries are refused.
pub const COMMANDS_MAX: usize = 1024;

/// Events that were taken together.
#[derive(Clone, Debug, Default)]
pub struct Events {
    /// Race events.
    pub samples: Vec<Sample>,
    /// Tracking events.
    pub tracking: Vec<Tracking>,
}

/// What a worker is told.
#[derive(Debug)]
pub enum Command {
    /// What a checkpoint kept, of rides and of views.
    Restore(Vec<Change>, Vec<Viewed>),
    /// Events at a logical time, their clocks set.
    Events(Clock, Events),
    /// No events come any more before this logical time.
    Advance(Clock),
    /// Changes of who is banned, for the first worker; answered with the time from when on they hold.
    Ban(Vec<Ban>, oneshot::Sender<Clock>),
    /// A question, answered with the time that the answer is of.
    Ask(Query, oneshot::Sender<(Clock, Answer)>),
    /// No commands come any more.
    Stop,
}

/// A worker's bounded queue, and the thread to wake when there is something in it.
#[derive(Clone, Debug)]
pub struct Mailbox {
    commands: SyncSender<Command>,
    worker: Thread,
    waiting: Arc<AtomicUsize>,
}

/// The end of a mailbox that its worker has.
#[derive(Debug)]
pub struct Inbox {
    commands: Receiver<Command>,
    waiting: Arc<AtomicUsize>,
}

impl Inbox {
    /// The next command, if one waits.
    ///
    /// # Errors
    /// None waits, or none comes any more.
    pub fn take(&self) -> Result<Command, TryRecvError> {
        let command = self.commands.try_recv()?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Ok(command)
    }
}

impl Mailbox {
    /// The mailbox of the worker that runs on this very thread.
    pub fn new() -> (Self, Inbox) {
        let (sender, commands) = sync_channel(COMMANDS_MAX);
        let waiting = Arc::new(AtomicUsize::new(0));
        let mailbox =
            Self { commands: sender, worker: thread::current(), waiting: Arc::clone(&waiting) };
        (mailbox, Inbox { commands, waiting })
    }

    /// Sends, and waits where the queue is full. Commands to a worker that is gone are dropped.
    pub fn send(&self, command: Command) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if let Err(TrySendError::Full(command)) = self.commands.try_send(command) {
            // A worker that is not awake cannot make room.
            self.worker.unpark();
            self.commands.send(command).unwrap_or_default();
        }
        self.worker.unpark();
    }

    fn try_send(&self, command: Command) -> Result<(), EngineError> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let sent = self.commands.try_send(command);
        self.worker.unpark();
        sent.map_err(|error| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => EngineError::Busy,
                TrySendError::Disconnected(_) => EngineError::Stopped,
            }
        })
    }
}

/// Why a question got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EngineError {
    /// Too many commands wait.
    #[error("the engine is busy; ask again in a moment")]
    Busy,
    /// It is stopping.
    #[error("the engine is stopping")]
    Stopped,
}

/// A running engine; clones are handles of the same, also once other workers took the place of its own.
#[derive(Clone, Debug)]
pub struct Engine {
    workers: Arc<RwLock<Arc<[Mailbox]>>>,
    /// The rules that hold.
    rules: watch::Sender<Arc<Scoring>>,
    /// How many processes it runs as.
    processes: usize,
    complete: watch::Receiver<Clock>,
    /// The last clock that the workers were told.
    advanced: Arc<AtomicU64>,
    /// The first clock of those that were told and are not complete, and when that was.
    told: Arc<Mutex<Option<(Clock, Instant)>>>,
    /// How many events the workers were given.
    taken: Arc<AtomicU64>,
    feeds: Arc<Feeds>,
}

impl Engine {
    /// The handle to `workers` of one process, at least one, which keep `complete` and `feeds` up to date
    /// under Alleycat's rules.
    pub fn new(workers: Vec<Mailbox>, complete: watch::Receiver<Clock>, feeds: Arc<Feeds>) -> Self {
        let (advanced, told, taken) = (Arc::default(), Arc::default(), Arc::default());
        let workers = Arc::new(RwLock::new(workers.into()));
        let rules = watch::Sender::new(Arc::new(Rules::default().into()));
        Self { workers, rules, processes: 1, complete, advanced, told, taken, feeds }
    }

    /// The same under other rules.
    pub fn under(self, rules: Rules) -> Self {
        self.rules.send_replace(Arc::new(rules.into()));
        self
    }

    /// The same where the workers are in `processes`.
    pub(super) fn of_processes(self, processes: usize) -> Self {
        Self { processes, ..self }
    }

    /// From now on `next`'s workers answer, under its rules.
    pub(super) fn hand_over_to(&self, next: &Self) {
        *self.workers.write().unwrap_or_else(PoisonError::into_inner) = next.workers();
        self.rules.send_replace(next.rules());
    }

    /// The rules that hold.
    pub fn rules(&self) -> Arc<Scoring> {
        Arc::clone(&self.rules.borrow())
    }

    /// The rules that hold, as they change.
    pub fn rules_changing(&self) -> watch::Receiver<Arc<Scoring>> {
        self.rules.subscribe()
    }

    /// Asks for what holds at the time that is complete; the answer says which that was.
    ///
    /// # Errors
    /// An engine that is over its bound, or stopping.
    pub async fn ask(&self, query: Query) -> Result<(Clock, Answer), EngineError> {
        let mut workers = self.workers();
        loop {
            let (reply, answer) = oneshot::channel();
            let worker = workers.first().ok_or(EngineError::Stopped)?;
            let sent = worker.try_send(Command::Ask(query.clone(), reply));
            let error = match sent {
                Ok(()) => match answer.await {
                    Ok(answer) => return Ok(answer),
                    Err(_) => EngineError::Stopped,
                },
                Err(error) => error,
            };
            let now = self.workers();
            if error == EngineError::Busy || Arc::ptr_eq(&workers, &now) {
                return Err(error);
            }
            // Others took the place of those that were asked, who ended with the question.
            workers = now;
        }
    }

    /// Changes who is banned, and tells the time that is complete once all answers have it. A racer must
    /// not be banned twice, nor a ban be lifted that is none.
    ///
    /// Blocks the thread, which must not be one of a runtime.
    ///
    /// # Errors
    /// An engine that stopped.
    pub fn ban(&self, bans: Vec<Ban>) -> Result<Clock, EngineError> {
        self.send_bans(bans)?.blocking_recv().map_err(|_| EngineError::Stopped)
    }

    /// The same without waiting for the time.
    ///
    /// # Errors
    /// An engine without workers.
    pub fn ban_unanswered(&self, bans: Vec<Ban>) -> Result<(), EngineError> {
        self.send_bans(bans).map(drop)
    }

    fn send_bans(&self, bans: Vec<Ban>) -> Result<oneshot::Receiver<Clock>, EngineError> {
        let (reply, time) = oneshot::channel();
        let workers = self.workers();
        workers.first().ok_or(EngineError::Stopped)?.send(Command::Ban(bans, reply));
        Ok(time)
    }

    /// The time up to which, itself included, all events are in all answers.
    pub fn complete(&self) -> Clock {
        *self.complete.borrow()
    }

    /// Waits until `time` is complete.
    ///
    /// # Errors
    /// An engine that stopped before.
    pub async fn reached(&self, time: Clock) -> Result<(), EngineError> {
        let mut complete = self.complete.clone();
        let reached = complete.wait_for(|complete| *complete >= time).await;
        reached.map(|_| ()).map_err(|_| EngineError::Stopped)
    }

    /// Tells all workers that the clock of every event to come is at least `clock`.
    pub fn advance(&self, clock: Clock) {
        self.advanced.store(clock, Ordering::Release);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|(clock, _)| self.is_complete_before(clock)) {
            *told = Some((clock, Instant::now()));
        }
        drop(told);
        for worker in self.workers().iter() {
            worker.send(Command::Advance(clock));
        }
    }

    /// Counts events that the workers are given.
    pub(super) fn count(&self, events: usize) {
        self.taken.fetch_add(events as u64, Ordering::Relaxed);
    }

    /// How many events the workers were given since the start.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// For how long what the workers were told is not complete: on the wall, as a backlog's clock goes many
    /// times as fast.
    pub fn lag(&self) -> Duration {
        let told = *self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = told.filter(|(clock, _)| !self.is_complete_before(*clock));
        waits.map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }

    /// Whether all is complete that was told before the workers were told `clock`.
    fn is_complete_before(&self, clock: Clock) -> bool {
        self.complete() + 1 >= clock.next_multiple_of(TICK_MS)
    }

    /// Waits until all is complete that was before the clock that the workers were last told.
    ///
    /// # Errors
    /// An engine that stopped before.
    pub async fn settled(&self) -> Result<(), EngineError> {
        let clock = self.advanced.load(Ordering::Acquire);
        self.reached(clock.next_multiple_of(TICK_MS).saturating_sub(1)).await
    }

    /// The live state, and the time that it is of: not before what is complete.
    pub fn live(&self) -> (Clock, Live<'_>) {
        // Nothing changed between the live state's last tick and what was complete before it was taken.
        let complete = self.complete();
        let live = self.feeds.live();
        (live.time().max(complete), live)
    }

    /// How many commands wait for the workers.
    pub fn waiting(&self) -> usize {
        self.workers().iter().map(|worker| worker.waiting.load(Ordering::Relaxed)).sum()
    }

    /// How many processes the workers are in.
    pub fn processes(&self) -> usize {
        self.processes
    }

    /// The workers, to send them events.
    pub fn workers(&self) -> Arc<[Mailbox]> {
        Arc::clone(&self.workers.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_lags_by_the_wall_however_fast_its_clock_goes() {
        let (complete, reached) = watch::channel(0);
        let engine = Engine::new(Vec::new(), reached, Arc::default());
        assert_eq!(engine.lag(), Duration::ZERO);
        engine.advance(1_000_000);
        engine.advance(9_000_000);
        let lag = engine.lag();
        // A day of its clock is no time at all.
        assert!(lag > Duration::ZERO && lag < Duration::from_secs(60), "{lag:?}");
        complete.send_replace(999_999);
        assert_eq!(engine.lag(), Duration::ZERO);
        engine.advance(9_500_000);
        complete.send_replace(9_400_000);
        assert!(engine.lag() > Duration::ZERO);
        complete.send_replace(9_499_999);
        assert_eq!(engine.lag(), Duration::ZERO);
    }

    /// The question that a worker was asked.
    async fn asked(inbox: &Inbox) -> oneshot::Sender<(Clock, Answer)> {
        loop {
            match inbox.take() {
                Ok(Command::Ask(Query::Classes, reply)) => return reply,
                Ok(other) => panic!("{other:?}"),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    #[tokio::test]
    async fn what_workers_did_not_come_to_is_asked_of_those_who_took_their_place() {
        let engine = || {
            let (mailbox, inbox) = Mailbox::new();
            (Engine::new(vec![mailbox], watch::channel(0).1, Arc::default()), inbox)
        };
        let ((engine, inbox), (next, next_inbox)) = (engine(), engine());
        let next = next.under(Rules { divisor: 50.0, ..Rules::default() });
        let ask = |engine: &Engine| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.ask(Query::Classes).await })
        };
        let (waiting, lost) = (ask(&engine), asked(&inbox).await);
        engine.hand_over_to(&next);
        assert_eq!(engine.rules().rules().divisor, 50.0);
        // They end with the question.
        drop((lost, inbox));
        let answer = (9, Answer::Classes(Vec::new()));
        asked(&next_inbox).await.send(answer.clone()).unwrap();
        assert_eq!(waiting.await.unwrap(), Ok(answer));

        let (waiting, lost) = (ask(&engine), asked(&next_inbox).await);
        drop((lost, next_inbox));
        assert_eq!(waiting.await.unwrap(), Err(EngineError::Stopped));
    }
}
