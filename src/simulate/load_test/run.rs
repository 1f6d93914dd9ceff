//! Runs a load test.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;

use super::config::{CONNECTIONS_MAX, LoadTest, Target};
use super::error::LoadTestError;
use super::event_source::EventSource;
use super::http_client::HttpClient;
use super::http_sender;
#[cfg(feature = "aws")]
use super::kinesis_sender;
use super::report::{Progress, Report};
use super::session::Session;

/// A load test without an acknowledgement for this long fails. A service restarts much faster.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);
/// The interval between calls of `progress`.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Sends `events` until they end or `stop` becomes true, and returns the report. Calls `progress` about
/// once a second.
///
/// When `stop` is true, requests in progress may take up to 10 s to complete, and are not sent again.
///
/// # Errors
/// If an address, a token or a number of connections cannot be used, a request fails permanently, a
/// file cannot be read, or nothing is acknowledged for 60 s.
pub fn run(
    events: &EventSource,
    config: &LoadTest,
    stop: &watch::Receiver<bool>,
    progress: impl Fn(&Progress) + Sync,
) -> Result<Report, LoadTestError> {
    run_with_timeout(events, config, SILENCE_TIMEOUT, stop, progress)
}

/// Runs a load test that fails after `silence_timeout` without an acknowledgement.
pub(super) fn run_with_timeout(
    events: &EventSource,
    config: &LoadTest,
    silence_timeout: Duration,
    stop: &watch::Receiver<bool>,
    progress: impl Fn(&Progress),
) -> Result<Report, LoadTestError> {
    let connections = config.connections.get();
    if connections > CONNECTIONS_MAX {
        return Err(LoadTestError::Connections(connections));
    }
    let session = Session::start(silence_timeout, stop)?;
    // Nothing is sent over this channel. It disconnects when the last connection ends.
    let (running, ended) = sync_channel::<()>(0);
    thread::scope(|scope| {
        match &config.target {
            Target::Service { urls, token } => {
                let client = |number| HttpClient::new(urls, number, token.as_deref());
                let clients = (0..connections).map(client).collect::<Result<Vec<_>, _>>()?;
                http_sender::start(scope, clients, events, config, &session, running);
            }
            #[cfg(feature = "aws")]
            Target::Stream(writer) => {
                kinesis_sender::start(scope, writer, events, config, &session, running);
            }
        }
        while ended.recv_timeout(PROGRESS_INTERVAL) == Err(RecvTimeoutError::Timeout) {
            progress(&session.progress());
        }
        Ok(())
    })
    .and_then(|()| session.finish())
}
