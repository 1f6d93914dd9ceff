//! What one service takes on at a time, and how long it waits.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

/// The bounds of a service.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of request bodies in memory, of all clients, as sent and decompressed: eight of the
    /// largest.
    pub bodies_bytes: u32,
    /// Events a second of one client, and the most that it may send at once: what two cores take
    /// into the log and the graph.
    pub client_events_per_second: NonZeroU32,
    /// Requests with events of one client that are answered at a time.
    pub client_requests: usize,
    /// Requests a second of one client, and the most that it may send at once.
    pub client_requests_per_second: NonZeroU32,
    /// Streams of one client at a time.
    pub client_streams: NonZeroUsize,
    /// How far the engine may lag before it is given no more: where a dashboard is no longer live.
    pub lag: Duration,
    /// Connections that are served at a time; further ones wait in the listener's backlog.
    pub connections: usize,
    /// How long a client may take over the head of a request, and may say nothing between two.
    pub head: Duration,
    /// How long a client may take over a body: 8 MiB at 2.2 Mbit/s.
    pub body: Duration,
    /// How long a delivery of Firehose may take to come, and to be taken while it does: Firehose waits three
    /// minutes for its answer.
    pub delivery: Duration,
    /// How long a client may take no byte of an answer.
    pub write: Duration,
    /// How long the log may take to answer: a disk that takes longer does not work.
    pub append: Duration,
    /// How long requests that run at a shutdown may still run.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bodies_bytes: 64 << 20,
            client_events_per_second: NonZeroU32::MIN.saturating_add(199_999),
            client_requests: 64,
            client_requests_per_second: NonZeroU32::MIN.saturating_add(999),
            client_streams: NonZeroUsize::MIN.saturating_add(999),
            lag: Duration::from_secs(2),
            connections: 10_000,
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            delivery: Duration::from_secs(150),
            write: Duration::from_secs(30),
            append: Duration::from_secs(30),
            shutdown: Duration::from_secs(10),
        }
    }
}
