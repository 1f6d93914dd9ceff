//! A running service, and the order in which it stops.

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::background::Background;
use super::data_directory::DataDirectory;
use crate::engine::Events;
use crate::log::Log;

/// A service that accepts events and answers reads.
pub struct RunningService {
    pub(super) shutdown: watch::Sender<bool>,
    pub(super) server: JoinHandle<()>,
    pub(super) source: Option<JoinHandle<()>>,
    pub(super) log: Log<Events>,
    pub(super) background: Background,
    pub(super) runtime: Runtime,
    pub(super) directory: DataDirectory,
}

impl RunningService {
    /// Stops the service in order: input ends first, then everything that it caused is completed,
    /// published and saved, and the engine ends last.
    pub fn stop(self) {
        let Self { shutdown, server, source, log, background, runtime, directory } = self;
        // Ends the server, the streams and the source.
        shutdown.send_replace(true);
        background.cancel_rebuilds();
        // A rebuild that is switching the engine right now completes first; no later one switches it.
        let engine = background.current_engine();

        runtime.block_on(server).unwrap_or_default();
        if let Some(source) = source {
            runtime.block_on(source).unwrap_or_default();
        }
        log.close();
        runtime.block_on(engine.wait_drained()).unwrap_or_default();

        background.stop(&runtime);
        // Another process can use the data directory from here on.
        drop(directory);
        // Calls of a store may hang; they are abandoned.
        runtime.shutdown_background();
        tracing::info!("stopped");
    }
}
