//! The handle to a running engine: its workers, rules and progress.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use velodrome_dataflows::{EventTime, Rules, Scoring};

use super::backlog::Backlog;
use super::command::Command;
use super::command_channel::CommandSender;
use super::error::EngineError;
use crate::live_state::{LiveState, LiveStateGuard};

/// The interval at which a wait checks whether there are workers.
const POLL: Duration = Duration::from_millis(100);

/// A handle to a running engine.
///
/// Clones refer to the same engine. They remain valid when the service switches to other workers.
#[derive(Clone, Debug)]
pub struct Engine {
    workers: Arc<RwLock<Arc<[CommandSender]>>>,
    /// The active rules.
    rules: watch::Sender<Arc<Scoring>>,
    /// The number of processes that run the workers.
    processes: usize,
    complete: watch::Receiver<EventTime>,
    backlog: Arc<Backlog>,
    /// The number of events sent to the workers.
    events_sent: Arc<AtomicU64>,
    live_state: Arc<LiveState>,
}

impl Engine {
    /// A handle to `workers` of one process, under the default rules.
    ///
    /// There is at least one worker. The workers update `complete` and `live_state`.
    pub fn new(
        workers: Vec<CommandSender>,
        complete: watch::Receiver<EventTime>,
        live_state: Arc<LiveState>,
    ) -> Self {
        Self {
            workers: Arc::new(RwLock::new(workers.into())),
            rules: watch::Sender::new(Arc::new(Rules::default().into())),
            processes: 1,
            complete,
            backlog: Arc::default(),
            events_sent: Arc::default(),
            live_state,
        }
    }

    /// The same engine under `rules`.
    pub fn with_rules(self, rules: Rules) -> Self {
        self.rules.send_replace(Arc::new(rules.into()));
        self
    }

    /// Sets the workers of all clones.
    pub(super) fn set_workers(&self, workers: Vec<CommandSender>) {
        *self.workers.write().unwrap_or_else(PoisonError::into_inner) = workers.into();
    }

    /// Switches all clones to the workers of `next` and to its rules.
    pub(super) fn switch_to(&self, next: &Self) {
        *self.workers.write().unwrap_or_else(PoisonError::into_inner) = next.workers();
        self.rules.send_replace(next.rules());
    }

    /// The active rules.
    pub fn rules(&self) -> Arc<Scoring> {
        Arc::clone(&self.rules.borrow())
    }

    /// A receiver of the active rules, notified when they change.
    pub fn watch_rules(&self) -> watch::Receiver<Arc<Scoring>> {
        self.rules.subscribe()
    }

    /// The complete time: all events up to and including it are in all answers.
    pub fn complete(&self) -> EventTime {
        *self.complete.borrow()
    }

    /// Waits until `time` is complete.
    ///
    /// # Errors
    /// [`EngineError::Stopped`] when the workers end first.
    pub async fn wait_complete(&self, time: EventTime) -> Result<(), EngineError> {
        let mut complete = self.complete.clone();
        let waited = complete.wait_for(|complete| *complete >= time).await;
        waited.map(|_| ()).map_err(|_| EngineError::Stopped)
    }

    /// Waits until the workers have completed the last advance.
    ///
    /// # Errors
    /// [`EngineError::Stopped`] when the workers end first, [`EngineError::NoGeneration`] when there are none.
    pub async fn wait_drained(&self) -> Result<(), EngineError> {
        loop {
            if self.workers().is_empty() {
                return Err(EngineError::NoGeneration);
            }
            let drained = self.wait_complete(self.backlog.completes_at());
            if let Ok(drained) = timeout(POLL, drained).await {
                return drained;
            }
        }
    }

    /// Returns once there have been no workers for `limit`.
    pub async fn wait_without_workers(&self, limit: Duration) {
        let mut since = Instant::now();
        while since.elapsed() < limit {
            sleep(POLL).await;
            if !self.workers().is_empty() {
                since = Instant::now();
            }
        }
    }

    /// Advances all workers to `clock`: every later event has this clock or a later one.
    pub fn advance(&self, clock: EventTime) {
        let workers = self.workers();
        if workers.is_empty() {
            // Nothing lags: the log keeps the events until a generation of the cluster replays them.
            return self.backlog.clear();
        }
        self.backlog.push(clock, self.complete());
        for worker in workers.iter() {
            worker.send(Command::Advance(clock));
        }
    }

    /// How long the oldest incomplete advance has been waiting, in wall time.
    pub fn lag(&self) -> Duration {
        self.backlog.age(self.complete())
    }

    /// Adds to the number of events sent to the workers.
    pub(super) fn count_sent(&self, events: usize) {
        self.events_sent.fetch_add(events as u64, Ordering::Relaxed);
    }

    /// The number of events sent to the workers since the start.
    pub fn events_sent(&self) -> u64 {
        self.events_sent.load(Ordering::Relaxed)
    }

    /// The live state and its time, which is at least the complete time.
    pub fn live_state(&self) -> (EventTime, LiveStateGuard<'_>) {
        // Read the complete time first. Worker 0 applies the changes of a time before it publishes the
        // time as complete, so the live state already has them.
        let complete = self.complete();
        let live = self.live_state.read();
        (live.time().max(complete), live)
    }

    /// The number of commands in all workers' queues.
    pub fn queued_commands(&self) -> usize {
        self.workers().iter().map(CommandSender::queued).sum()
    }

    /// The number of processes that run the workers.
    pub fn processes(&self) -> usize {
        self.processes
    }

    /// The command queues of the workers.
    pub fn workers(&self) -> Arc<[CommandSender]> {
        Arc::clone(&self.workers.read().unwrap_or_else(PoisonError::into_inner))
    }
}
