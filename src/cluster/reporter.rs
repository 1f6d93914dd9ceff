//! Reports what this node knows of itself, once a second and when it stops, and records what the nodes report to be archived.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::error::ClusterError;
use super::event::Event;
use super::generation_file::GenerationFile;
use super::interface::Generations;
use super::sequences::Sequences;
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
    /// Reports to `status`, and to the member that receives `events`. Records in `newest` what was archived.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(
        generations: Arc<impl Generations>,
        status: Status,
        events: Sender<Event>,
        newest: Arc<Mutex<GenerationFile>>,
    ) -> Result<Self, ClusterError> {
        let (stop, stopped) = channel();
        let thread = thread::Builder::new().name("cluster-report".to_owned());
        let running =
            thread.spawn(move || report(&*generations, &status, &events, &newest, &stopped));
        Ok(Self { running: running.map_err(ClusterError::Thread)?, stop })
    }

    /// Ends the thread, after a last report: what was archived while the node stopped is in no earlier one.
    pub(super) fn stop(self) {
        drop(self.stop);
        self.running.join().unwrap_or_default();
    }
}

fn report(
    generations: &impl Generations,
    status: &Status,
    events: &Sender<Event>,
    newest: &Mutex<GenerationFile>,
    stopped: &Receiver<()>,
) {
    let mut is_stopping = false;
    loop {
        let report = generations.report();
        status.reported(report.clone());
        events.send(Event::Report(report)).unwrap_or_default();
        record_archived(status, newest);
        if is_stopping {
            return;
        }
        is_stopping = stopped.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout);
    }
}

/// Records what the nodes report to be archived.
pub(super) fn record_archived(status: &Status, newest: &Mutex<GenerationFile>) {
    // Locked before the reports are read, or a generation that forgets what is missing could form meanwhile.
    let mut newest = newest.lock().unwrap_or_else(PoisonError::into_inner);
    let nodes = status.config().nodes.iter().zip(status.snapshot().nodes);
    let archived =
        nodes.map(|(node, view)| (node.id, view.report.map_or(0, |report| report.archived)));
    // The next attempt follows. The generation that forms next says why if there is a lasting reason.
    newest.raise_archived(&archived.collect::<Sequences>()).unwrap_or_default();
}
