//! Limits on what clients use: requests, events and streams of each client, and the memory of all
//! bodies.

mod rate;
mod slots;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::http::StatusCode;
use metrics::gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::rate::{ClientRate, RateError};
use self::slots::{ClientSlot, ClientSlots};
use super::body::{BodyBuffer, BodyMemory};
use super::client::Client;
use super::error::ApiError;
use super::limits::Limits;

/// The `Retry-After` for a client that already has the maximum number of streams. `EventSource` waits
/// about as long by itself.
const STREAM_RETRY_SECONDS: u64 = 5;

/// Enforces the limits of all clients.
pub(super) struct Limiter {
    bodies: BodyMemory,
    requests: ClientRate,
    events: ClientRate,
    in_flight: ClientSlots,
    streams: ClientSlots,
    /// One permit per stream of any client.
    all_streams: Arc<Semaphore>,
    limits: Limits,
}

/// The slot of a stream; dropping it frees the slot.
pub(super) struct StreamSlot {
    _client: ClientSlot,
    _permit: OwnedSemaphorePermit,
}

impl Limiter {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            bodies: BodyMemory::new(limits.bodies_bytes_max),
            requests: ClientRate::per_second(limits.client_requests_per_second),
            events: ClientRate::per_second(limits.client_events_per_second),
            in_flight: ClientSlots::new(limits.client_requests_in_flight),
            streams: ClientSlots::new(limits.client_streams.get()),
            all_streams: Arc::new(Semaphore::new(limits.streams_max())),
            limits,
        }
    }

    /// Records the use of the limits that all clients share in the metrics.
    pub(super) fn record(&self) {
        let bodies = self.limits.bodies_bytes_max.saturating_sub(self.bodies.free());
        gauge!("velodrome_body_bytes").set(bodies as f64);
        let clients = self.requests.clients().max(self.events.clients());
        gauge!("velodrome_limited_clients").set(clients as f64);
    }

    /// Counts a request of `peer`, for any route.
    ///
    /// # Errors
    /// 429 `too_many_requests` over the rate, with the time to wait.
    pub(super) fn check_request(&self, peer: IpAddr) -> Result<(), ApiError> {
        match self.requests.check(peer, NonZeroU32::MIN) {
            Err(RateError::RetryAfter(wait)) => {
                let rate = self.limits.client_requests_per_second;
                let message = format!("more than {rate} requests in a second; slow down");
                Err(too_many_requests(message).retry_after(wait.as_secs() + 1))
            }
            // One request is never over the capacity.
            Ok(()) | Err(RateError::OverCapacity) => Ok(()),
        }
    }

    /// Counts `events` of `peer`.
    ///
    /// # Errors
    /// 429 `too_many_requests` over the rate, with the time to wait; 413 `too_many_events` for more
    /// events than a client may send in a second.
    pub(super) fn check_events(&self, peer: IpAddr, events: usize) -> Result<(), ApiError> {
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        let Some(events) = NonZeroU32::new(events) else { return Ok(()) };
        let rate = self.limits.client_events_per_second;
        self.events.check(peer, events).map_err(|error| match error {
            RateError::RetryAfter(wait) => {
                let message = format!("more than {rate} events in a second; slow down");
                too_many_requests(message).retry_after(wait.as_secs() + 1)
            }
            RateError::OverCapacity => too_many_events(rate),
        })
    }

    /// Waits until `events` of `peer` are within its rate. Events over the number that a client may send
    /// in a second are not counted.
    pub(super) async fn wait_for_events(&self, peer: IpAddr, events: usize) {
        let capacity = self.limits.client_events_per_second;
        let events = u32::try_from(events).unwrap_or(u32::MAX).min(capacity.get());
        let Some(events) = NonZeroU32::new(events) else { return };
        while let Err(RateError::RetryAfter(wait)) = self.events.check(peer, events) {
            tokio::time::sleep(wait).await;
        }
    }

    /// A slot for a request of `peer` that has a body. Dropping the slot frees it.
    ///
    /// # Errors
    /// 429 `too_many_requests` if all slots of this client are in use.
    pub(super) fn acquire_request(&self, peer: IpAddr) -> Result<ClientSlot, ApiError> {
        self.in_flight.acquire(peer).ok_or_else(|| {
            let slots = self.limits.client_requests_in_flight;
            let message = format!("{slots} of your requests are in progress; wait for one to end");
            too_many_requests(message).retry_after(1)
        })
    }

    /// A slot for a stream of `peer`. Dropping the slot frees it.
    ///
    /// # Errors
    /// 429 `too_many_requests` if all slots of this client are in use, and 503 `busy` if those of all
    /// clients are.
    pub(super) fn acquire_stream(&self, peer: IpAddr) -> Result<StreamSlot, ApiError> {
        let client = self.streams.acquire(peer).ok_or_else(|| {
            let slots = self.limits.client_streams;
            let message = format!("you have {slots} streams open; close one first");
            too_many_requests(message).retry_after(STREAM_RETRY_SECONDS)
        })?;
        let permit = Arc::clone(&self.all_streams).try_acquire_owned().map_err(|_| {
            let slots = self.limits.streams_max();
            let message = format!("all {slots} streams of the service are in use; try again later");
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
                .retry_after(STREAM_RETRY_SECONDS)
        })?;
        Ok(StreamSlot { _client: client, _permit: permit })
    }

    /// An empty buffer for a body of `client` of at most `bytes_max` bytes, which counts against the
    /// client's share of the memory of all bodies.
    pub(super) fn body_buffer(&self, client: Client, bytes_max: usize) -> BodyBuffer {
        BodyBuffer::new(self.bodies.share(client), bytes_max)
    }
}

/// 413 `too_many_events`: more events than a client may send in a second.
pub(super) fn too_many_events(events_max: NonZeroU32) -> ApiError {
    let message =
        format!("the body has more than {events_max} events; split it into several requests");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_events", message)
}

fn too_many_requests(message: String) -> ApiError {
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message)
}
