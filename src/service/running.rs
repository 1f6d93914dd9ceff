//! A running service, and the order in which it stops.

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::background::Background;
use super::data_directory::DataDirectory;
use super::running_source::RunningSource;
use crate::cluster::Announcements;
use crate::engine::Events;
use crate::log::{Clock, Log};

/// A service that accepts events and answers reads.
pub struct RunningService {
    pub(super) shutdown: watch::Sender<bool>,
    pub(super) server: JoinHandle<()>,
    pub(super) source: Option<RunningSource>,
    pub(super) log: Log<Events>,
    pub(super) announcements: Announcements,
    pub(super) clock: Clock,
    pub(super) background: Background,
    pub(super) runtime: Runtime,
    pub(super) directory: DataDirectory,
}

impl RunningService {
    /// Waits until `stop` is true or its sender is dropped.
    pub fn wait(&self, mut stop: watch::Receiver<bool>) {
        self.runtime.block_on(stop.wait_for(|stop| *stop)).map(drop).unwrap_or_default();
    }

    /// Stops the service in order. First the input ends. Then all accepted events are completed,
    /// published and saved. The engine ends last.
    pub fn stop(self) {
        let Self { shutdown, server, mut source, log, announcements, clock, .. } = self;
        let (background, runtime, directory) = (self.background, self.runtime, self.directory);
        // Ends the server, the streams and the source.
        shutdown.send_replace(true);
        background.cancel_rebuilds();
        // Wait for a rebuild that is replacing the engine now. No later rebuild can replace it.
        let engine = background.current_engine();

        runtime.block_on(server).unwrap_or_default();
        if let Some(source) = &mut source {
            source.stop(&runtime);
        }
        log.close();
        if let Some(source) = &source {
            source.log_closed();
        }
        // The results of a cluster advance with the slowest log, so the other nodes must advance theirs.
        announcements.tick(clock.now());
        runtime.block_on(engine.wait_drained()).unwrap_or_default();

        background.stop(&runtime);
        // Release the data directory, so that another process can use it.
        drop(directory);
        // Abandon calls to a store that hang.
        runtime.shutdown_background();
        tracing::info!("stopped");
    }
}
