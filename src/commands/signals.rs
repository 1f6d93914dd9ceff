//! The signals that stop a command: Ctrl-C (SIGINT), SIGTERM from service managers, and the end of its input. SIGHUP has a
//! service read its keys and certificates again.

use std::process::ExitCode;
use std::sync::OnceLock;
use std::{io, thread};

use anyhow::Context;
use rustix::process::{Signal, getpid, kill_process};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::service::ServiceError;

/// Installs the signal handlers, unless they are installed already. The receiver becomes true, or its
/// sender is dropped, at the first signal. Later signals have no effect, because some senders send them
/// twice.
///
/// # Errors
/// If the signal handlers cannot be installed.
pub fn install() -> anyhow::Result<watch::Receiver<bool>> {
    static STOP: OnceLock<watch::Receiver<bool>> = OnceLock::new();
    if let Some(stop) = STOP.get() {
        return Ok(stop.clone());
    }
    let stop = listen().context("cannot install the signal handlers")?;
    Ok(STOP.get_or_init(|| stop).clone())
}

/// Counts the signals SIGHUP, which then do not end the process. A service reads its keys again.
///
/// # Errors
/// If the signal handler cannot be installed.
pub fn count_hangups() -> anyhow::Result<watch::Receiver<u64>> {
    static COUNT: OnceLock<watch::Receiver<u64>> = OnceLock::new();
    if let Some(count) = COUNT.get() {
        return Ok(count.clone());
    }
    let listen = || -> io::Result<watch::Receiver<u64>> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let mut hangup = runtime.block_on(async { signal(SignalKind::hangup()) })?;
        let (sender, count) = watch::channel(0);
        let counting = async move {
            while hangup.recv().await.is_some() {
                sender.send_modify(|count| *count += 1);
            }
        };
        thread::Builder::new()
            .name("hangups".to_owned())
            .spawn(move || runtime.block_on(counting))?;
        Ok(count)
    };
    let count = listen().context("cannot install the handler of SIGHUP")?;
    Ok(COUNT.get_or_init(|| count).clone())
}

/// Has the end of standard input act like a signal. A process that another one started through a pipe then ends with it,
/// also if that one is killed.
///
/// # Errors
/// If a thread cannot be started.
pub(super) fn stop_at_end_of_input() -> anyhow::Result<()> {
    let wait = || {
        // Whatever it contains has no meaning, and an input that cannot be read has ended.
        _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        // Fails only for a process that does not exist.
        _ = kill_process(getpid(), Signal::TERM);
    };
    let thread = thread::Builder::new().name("input".to_owned()).spawn(wait);
    thread.map(drop).context("cannot start a thread")
}

fn listen() -> io::Result<watch::Receiver<bool>> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _context = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let (stop, stopped) = watch::channel(false);
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => (),
                _ = terminate.recv() => (),
            }
        });
        stop.send_replace(true);
    })?;
    Ok(stopped)
}

/// The exit status of a service: a signal during its start is not an error.
///
/// # Errors
/// If the service failed for another reason.
pub(super) fn exit_code(served: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    match served {
        Err(error) if matches!(error.downcast_ref(), Some(ServiceError::Stopped)) => {
            Ok(ExitCode::SUCCESS)
        }
        served => served.map(|()| ExitCode::SUCCESS),
    }
}
