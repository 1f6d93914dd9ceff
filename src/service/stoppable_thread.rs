//! A thread that ends at a safe point when it is stopped.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

/// A thread that ends when its [`Receiver`] disconnects.
pub(super) struct StoppableThread {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl StoppableThread {
    /// Starts the thread. `run` ends soon after its receiver disconnects.
    pub(super) fn spawn(
        name: &str,
        run: impl FnOnce(&Receiver<()>) + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || run(&stopped))?;
        Ok(Self { stop, thread })
    }

    /// Stops the thread and waits until it has ended.
    pub(super) fn stop(self) {
        drop(self.stop);
        self.thread.join().unwrap_or_default();
    }
}
