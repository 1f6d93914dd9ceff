//! Drives a running service over HTTP: the lines of a workload are posted when they arrive, and what
//! was acknowledged is looked for.
//!
//! One thread makes the posts, in order of arrival, and a thread a connection sends them; between
//! them is a queue with a bound. Nothing is lost on the way: what a service turns away at first is
//! sent again, which changes nothing where it was taken after all.

mod client;
mod connection;
mod course;
mod posts;
mod rate;
mod report;
mod tally;

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use thiserror::Error;

use super::Workload;
use client::Client;
use connection::Connection;
use course::Course;
pub use rate::{Rate, RateError};
pub use report::{Latency, Report, Snapshot};

/// Posts that wait, for each connection: with ticks of 20 ms and 8 connections a third of a second,
/// in which the next lines are made.
const AHEAD: usize = 2;
/// A thread a connection: what one machine starts without preparation.
const CONNECTIONS_MAX: usize = 1_000;
/// A service that restarts is back long before this.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Where to drive a workload to, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Drive {
    /// The service, as `http://host:port`.
    pub to: String,
    /// What the service knows the sender by.
    pub token: Option<String>,
    /// How fast to go through the workload's time.
    pub rate: Rate,
    /// How many posts can be under way at once, at most 1,000.
    pub connections: NonZeroUsize,
    /// Most events in one post.
    pub batch: NonZeroUsize,
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
    /// Latencies that cannot be counted.
    #[error(transparent)]
    Histogram(#[from] hdrhistogram::CreationError),
}

/// Drives `workload` to a service until it ends or `stop` is set, and gives the report so far either
/// way. `progress` is told about once a second.
///
/// Once `stop` is set, what is under way is waited for, 10 s at most, and not sent again.
///
/// # Errors
/// An address, token or number of connections that cannot be used; an answer that sending again
/// does not change; nothing acknowledged for 60 s.
pub fn drive(
    workload: &Workload,
    drive: &Drive,
    stop: &AtomicBool,
    progress: impl Fn(&Snapshot) + Sync,
) -> Result<Report, DriveError> {
    run(workload, drive, PATIENCE, stop, progress)
}

/// The same, giving up after `patience`.
fn run(
    workload: &Workload,
    drive: &Drive,
    patience: Duration,
    stop: &AtomicBool,
    progress: impl Fn(&Snapshot),
) -> Result<Report, DriveError> {
    let connections = drive.connections.get();
    if connections > CONNECTIONS_MAX {
        return Err(DriveError::Connections(connections));
    }
    let clients = (0..connections).map(|_| Client::new(drive)).collect::<Result<Vec<_>, _>>()?;
    let course = Course::begin(patience, stop)?;
    let (sender, posts) = sync_channel(connections * AHEAD);
    let posts = Arc::new(Mutex::new(posts));
    // Nothing is ever sent here: it disconnects with the last connection.
    let (driving, ended) = sync_channel::<()>(0);
    thread::scope(|scope| {
        // With the last connection the queue is gone, which ends this thread.
        scope.spawn(move || posts::posts(workload, drive).try_for_each(|post| sender.send(post)));
        for (number, client) in clients.into_iter().enumerate() {
            let (posts, driving) = (Arc::clone(&posts), driving.clone());
            let connection = Connection::new(number, client, &course);
            scope.spawn(move || {
                connection.run(&posts);
                drop(driving);
            });
        }
        drop((posts, driving));
        while ended.recv_timeout(PROGRESS_INTERVAL) == Err(RecvTimeoutError::Timeout) {
            progress(&course.snapshot());
        }
    });
    course.finish()
}

#[cfg(test)]
mod tests;
