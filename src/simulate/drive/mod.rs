//! Drives a running service over HTTP, or a Kinesis stream: lines are sent when they arrive, and what a service
//! acknowledged is looked for.
//!
//! One thread makes what is sent, in order of arrival, and a thread a connection sends it; between
//! them are queues with a bound. Nothing is lost on the way: what is turned away at first is sent
//! again, which changes nothing where it was taken after all.

mod client;
mod connection;
mod course;
mod events;
#[cfg(feature = "aws")]
mod lane;
mod posts;
#[cfg(feature = "aws")]
mod puts;
mod rate;
mod report;
mod tally;

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use thiserror::Error;

use super::RecordedError;
#[cfg(feature = "aws")]
use crate::kinesis::put::Writer;
#[cfg(feature = "aws")]
use crate::kinesis::stream::StreamError;
use client::Client;
use course::Course;
pub use events::Events;
pub use rate::{Rate, RateError};
pub use report::{Latency, Report, Snapshot};

/// A thread a connection: what one machine starts without preparation.
const CONNECTIONS_MAX: usize = 1_000;
/// A service that restarts is back long before this.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Where to drive events to, and how.
#[derive(Clone, Debug)]
pub struct Drive {
    /// Where to.
    pub to: To,
    /// How fast to go through the events' time.
    pub rate: Rate,
    /// How many requests can be under way at once, at most 1,000.
    pub connections: NonZeroUsize,
    /// Most events in one request; a stream takes 500.
    pub batch: NonZeroUsize,
}

/// Where to drive events to.
#[derive(Clone, Debug)]
pub enum To {
    /// A service that is running.
    Service {
        /// Its address, as `http://host:port`.
        url: String,
        /// What it knows the sender by.
        token: Option<String>,
    },
    /// A Kinesis stream.
    #[cfg(feature = "aws")]
    Stream(Writer),
}

/// A drive that cannot go on.
#[derive(Debug, Error)]
pub enum DriveError {
    /// No address of a service.
    #[error("'{0}' is no address of a service; give one like http://127.0.0.1:8080")]
    Address(String),
    /// A token that no header can hold.
    #[error("the token has characters that no HTTP header can hold; give it as it was issued")]
    Token,
    /// More threads than are meant to be started.
    #[error("connections must be 1 to {CONNECTIONS_MAX}, not '{0}'")]
    Connections(usize),
    /// The service does not want what it was sent.
    #[error("'{url}' answered {status}: {message}")]
    Refused {
        /// What was asked.
        url: String,
        /// The status of the answer.
        status: u16,
        /// The service's reason.
        message: String,
    },
    /// The answer is not the service's.
    #[error("'{url}' answered what cannot be read: {reason}; is it a velodrome service?")]
    Unreadable {
        /// What was asked.
        url: String,
        /// Why it cannot be read.
        reason: serde_json::Error,
    },
    /// Nothing was acknowledged for long.
    #[error("'{to}' acknowledged nothing for {seconds} s: {reason}")]
    Silent {
        /// The service.
        to: String,
        /// For how long.
        seconds: u64,
        /// Why the last try failed.
        reason: String,
    },
    /// The stream takes nothing.
    #[cfg(feature = "aws")]
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// Events that cannot be read.
    #[error(transparent)]
    Recorded(#[from] RecordedError),
    /// Latencies that cannot be counted.
    #[error(transparent)]
    Histogram(#[from] hdrhistogram::CreationError),
}

/// Sends `events` until they end or `stop` is set, and gives the report so far either
/// way. `progress` is told about once a second.
///
/// Once `stop` is set, what is under way is waited for, 10 s at most, and not sent again.
///
/// # Errors
/// An address, token or number of connections that cannot be used; an answer that sending again
/// does not change; files that cannot be read; nothing acknowledged for 60 s.
pub fn drive(
    events: &Events,
    drive: &Drive,
    stop: &AtomicBool,
    progress: impl Fn(&Snapshot) + Sync,
) -> Result<Report, DriveError> {
    run(events, drive, PATIENCE, stop, progress)
}

/// The same, giving up after `patience`.
fn run(
    events: &Events,
    drive: &Drive,
    patience: Duration,
    stop: &AtomicBool,
    progress: impl Fn(&Snapshot),
) -> Result<Report, DriveError> {
    let connections = drive.connections.get();
    if connections > CONNECTIONS_MAX {
        return Err(DriveError::Connections(connections));
    }
    let course = Course::begin(patience, stop)?;
    // Nothing is ever sent here: it disconnects with the last connection.
    let (driving, ended) = sync_channel::<()>(0);
    thread::scope(|scope| {
        match &drive.to {
            To::Service { url, token } => {
                let client = || Client::new(url, token.as_deref());
                let clients = (0..connections).map(|_| client()).collect::<Result<Vec<_>, _>>()?;
                connection::start(scope, clients, events, drive, &course, driving);
            }
            #[cfg(feature = "aws")]
            To::Stream(writer) => puts::start(scope, writer, events, drive, &course, driving),
        }
        while ended.recv_timeout(PROGRESS_INTERVAL) == Err(RecvTimeoutError::Timeout) {
            progress(&course.snapshot());
        }
        Ok(())
    })
    .and_then(|()| course.finish())
}

#[cfg(test)]
mod tests;
