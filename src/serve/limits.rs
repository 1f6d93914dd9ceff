//! The limits of a service.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

/// Limits for each client, limits for all clients together, and time limits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of request bodies in memory, of all clients, as sent and decompressed. The default is
    /// enough for eight bodies of the maximum size. A client has at most as much as is free: half of it
    /// alone, and a third of it next to another one.
    pub bodies_bytes_max: usize,
    /// Events of one client in a second, and in one request. The default is what two cores can append to
    /// the log and process in the graph.
    pub client_events_per_second: NonZeroU32,
    /// Concurrent requests with bodies, for each client.
    pub client_requests_in_flight: usize,
    /// Requests of one client in a second. It may send them all at once.
    pub client_requests_per_second: NonZeroU32,
    /// Concurrent streams, for each client.
    pub client_streams: NonZeroUsize,
    /// The lag of the engine above which no more events are accepted. At the default, a dashboard still
    /// looks live.
    pub lag_max: Duration,
    /// Concurrent connections. For further ones, those of the clients that have the most are closed, idle
    /// ones first.
    pub connections_max: usize,
    /// Time for a client to send the head of a request.
    pub head_timeout: Duration,
    /// Time for a connection to be idle between two requests. It must be longer than that of a proxy in
    /// front of the service, which would otherwise send a request on a connection that closes. Load
    /// balancers of AWS have 60 s.
    pub keep_alive: Duration,
    /// Time for a client to send a body. The default permits 8 MiB at 2.2 Mbit/s.
    pub body_timeout: Duration,
    /// Time to receive and append a delivery of Firehose, which waits three minutes for the response.
    pub delivery_timeout: Duration,
    /// Time within which a client must receive at least one more byte of a response.
    pub write_timeout: Duration,
    /// Bytes of answers in memory, of all clients. The default is enough for two answers of the maximum
    /// size.
    pub answers_bytes_max: usize,
    /// Time for a client to read an answer completely. The default permits 64 MiB at 4.5 Mbit/s.
    pub answer_timeout: Duration,
    /// Time for the log to make events durable. A disk that needs longer is broken.
    pub append_timeout: Duration,
    /// Time for requests in progress to end during shutdown.
    pub shutdown_timeout: Duration,
}

impl Limits {
    /// Concurrent streams of all clients. A tenth of the connections remains for events and reads.
    pub fn streams_max(&self) -> usize {
        (self.connections_max * 9 / 10).max(1)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bodies_bytes_max: 64 << 20,
            client_events_per_second: NonZeroU32::MIN.saturating_add(199_999),
            client_requests_in_flight: 64,
            client_requests_per_second: NonZeroU32::MIN.saturating_add(999),
            client_streams: NonZeroUsize::MIN.saturating_add(999),
            lag_max: Duration::from_secs(2),
            connections_max: 10_000,
            head_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            delivery_timeout: Duration::from_secs(150),
            write_timeout: Duration::from_secs(30),
            answers_bytes_max: 128 << 20,
            answer_timeout: Duration::from_secs(120),
            append_timeout: Duration::from_secs(30),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}
