//! Signals that ask for an end: Ctrl-C, or as service managers do it.

use std::io;
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// Calls `end` at the first such signal; later ones change nothing (some senders send it twice).
///
/// # Errors
/// Signals that cannot be waited for.
pub(super) fn at_end(end: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _within = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => (),
                _ = terminate.recv() => (),
            }
        });
        end();
    });
    Ok(())
}
