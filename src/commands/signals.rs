//! The signals that stop a command: Ctrl-C (SIGINT), and SIGTERM from service managers.

use std::io;
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// Calls `stop` at the first signal. Later signals have no effect, because some senders send them twice.
///
/// # Errors
/// If the signal handlers cannot be installed.
pub(super) fn on_shutdown(stop: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _context = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => (),
                _ = terminate.recv() => (),
            }
        });
        stop();
    });
    Ok(())
}
