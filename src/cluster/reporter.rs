//! Reports what this node knows of itself, once a second.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::error::ClusterError;
use super::event::Event;
use super::interface::Generations;
use super::status::Status;

/// The interval of reports.
const INTERVAL: Duration = Duration::from_secs(1);

/// The thread that reports. It is not the member's, which must not wait while a checkpoint is written.
#[derive(Debug)]
pub(super) struct Reporter {
    running: JoinHandle<()>,
    stop: Sender<()>,
}

impl Reporter {
    /// Reports to `status`, and to the member that receives `events`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(
        generations: Arc<impl Generations>,
        status: Status,
        events: Sender<Event>,
    ) -> Result<Self, ClusterError> {
        let (stop, stopped) = channel();
        let thread = thread::Builder::new().name("cluster-report".to_owned());
        let running = thread.spawn(move || report(&*generations, &status, &events, &stopped));
        Ok(Self { running: running.map_err(ClusterError::Thread)?, stop })
    }

    /// Ends the thread.
    pub(super) fn stop(self) {
        drop(self.stop);
        self.running.join().unwrap_or_default();
    }
}

fn report(
    generations: &impl Generations,
    status: &Status,
    events: &Sender<Event>,
    stopped: &Receiver<()>,
) {
    loop {
        let report = generations.report();
        status.reported(report.clone());
        events.send(Event::Report(report)).unwrap_or_default();
        if stopped.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}
