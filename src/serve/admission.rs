//! Who is let in: bounds for each client, and for the memory that all of them take.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, InsufficientCapacity, NotUntil, Quota, RateLimiter};
use hashbrown::HashMap;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::body::Held;
use super::error::ApiError;
use super::limits::Limits;

/// Clients whose rates are remembered before those that were idle are forgotten: as many as there
/// are connections, by default.
const CLIENTS_MAX: usize = 10_000;

/// When a client may try again to follow a stream where it has all that it may, in s: about as long as
/// `EventSource` waits by itself.
const STREAM_RETRY_SECONDS: u64 = 5;

/// A network of this many leading bits is one client: what a subscriber of IPv6 is given (RFC 6177).
const IPV6_CLIENT_BITS: u32 = 64;

/// The bounds of clients.
pub(super) struct Admission {
    memory: Arc<Semaphore>,
    events: DefaultKeyedRateLimiter<IpAddr>,
    requests: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
    in_flight: Counts,
    streams: Counts,
    limits: Limits,
}

/// What the rates' clock tells.
type Moment = <DefaultClock as Clock>::Instant;

/// How many of something each client has now; clients that have none are not kept.
type Counts = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// A request or stream that counts among its client's until it is dropped.
pub(super) struct Counted {
    client: IpAddr,
    counts: Counts,
}

impl Admission {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            memory: Arc::new(Semaphore::new(limits.bodies_bytes as usize)),
            events: RateLimiter::keyed(Quota::per_second(limits.client_events_per_second)),
            requests: RateLimiter::keyed(Quota::per_second(limits.client_requests_per_second)),
            clock: DefaultClock::default(),
            in_flight: Arc::default(),
            streams: Arc::default(),
            limits,
        }
    }

    /// Lets a request of `peer` in, whatever it is for.
    ///
    /// # Errors
    /// 429 `too_many_requests` with the time when it would be let in.
    pub(super) fn request(&self, peer: IpAddr) -> Result<(), ApiError> {
        match check(&self.requests, peer, NonZeroU32::MIN) {
            Ok(Err(not_until)) => {
                let rate = self.limits.client_requests_per_second;
                let message = format!("more than {rate} requests/s; send them later");
                Err(too_many(message).retry_after(self.seconds_until(&not_until)))
            }
            // One request is never more than a second's.
            _ => Ok(()),
        }
    }

    /// Lets a request with events of `peer` in.
    ///
    /// # Errors
    /// 429 `too_many_requests` where as many of this client are in.
    pub(super) fn enter(&self, peer: IpAddr) -> Result<Counted, ApiError> {
        let most = self.limits.client_requests;
        Counted::new(&self.in_flight, peer, most).ok_or_else(|| {
            let message = format!("{most} of your requests are being answered; wait for them");
            too_many(message).retry_after(1)
        })
    }

    /// Lets a stream of `peer` in, which counts until the answer is dropped.
    ///
    /// # Errors
    /// 429 `too_many_requests` where this client has as many.
    pub(super) fn stream(&self, peer: IpAddr) -> Result<Counted, ApiError> {
        let most = self.limits.client_streams.get();
        Counted::new(&self.streams, peer, most).ok_or_else(|| {
            let message = format!("you follow {most} streams; end one of them");
            too_many(message).retry_after(STREAM_RETRY_SECONDS)
        })
    }

    /// An empty body of at most `bytes_max`, which takes memory as it grows.
    pub(super) fn hold(&self, bytes_max: usize) -> Held {
        Held::new(Arc::clone(&self.memory), bytes_max)
    }

    /// Lets so many events of `peer` in, which are no more than a second's.
    ///
    /// # Errors
    /// 429 `too_many_requests` with the time when they would be let in.
    pub(super) fn take(&self, peer: IpAddr, events: usize) -> Result<(), ApiError> {
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        let Some(events) = NonZeroU32::new(events) else { return Ok(()) };
        let rate = self.limits.client_events_per_second;
        match check(&self.events, peer, events) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => {
                let message = format!("more than {rate} events/s; send them later");
                Err(too_many(message).retry_after(self.seconds_until(&not_until)))
            }
            Err(_) => Err(too_many_events(rate)),
        }
    }

    /// Waits until so many events of `peer` are let in; those over a second's are not counted.
    pub(super) async fn pace(&self, peer: IpAddr, events: usize) {
        let rate = self.limits.client_events_per_second;
        let events = u32::try_from(events).unwrap_or(u32::MAX).min(rate.get());
        let Some(events) = NonZeroU32::new(events) else { return };
        while let Ok(Err(not_until)) = check(&self.events, peer, events) {
            sleep(not_until.wait_time_from(self.clock.now())).await;
        }
    }

    /// Whole seconds after which so much is let in.
    fn seconds_until(&self, not_until: &NotUntil<Moment>) -> u64 {
        not_until.wait_time_from(self.clock.now()).as_secs() + 1
    }
}

/// Whether `peer` may have so many more now, ever, or later.
fn check(
    rates: &DefaultKeyedRateLimiter<IpAddr>,
    peer: IpAddr,
    count: NonZeroU32,
) -> Result<Result<(), NotUntil<Moment>>, InsufficientCapacity> {
    if rates.len() > CLIENTS_MAX {
        rates.retain_recent();
    }
    rates.check_key_n(&client(peer), count)
}

impl Counted {
    /// One more of `peer`, of at most `most`.
    fn new(counts: &Counts, peer: IpAddr, most: usize) -> Option<Self> {
        let client = client(peer);
        let mut locked = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = locked.entry(client).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Self { client, counts: Arc::clone(counts) })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
            }
        }
    }
}

/// 413: more events than a client may send at once.
pub(super) fn too_many_events(most: NonZeroU32) -> ApiError {
    let message = format!("the body has more than {most} events; send fewer at once");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_events", message)
}

fn too_many(message: String) -> ApiError {
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message)
}

/// The client that an address belongs to.
fn client(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::MAX << (128 - IPV6_CLIENT_BITS);
            Ipv6Addr::from_bits(address.to_bits() & network).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use axum::response::IntoResponse;

    use super::*;

    fn admission(requests: usize, events: u32) -> Admission {
        let client_events_per_second = NonZeroU32::new(events).unwrap();
        let limits = Limits::default();
        Admission::new(Limits { client_requests: requests, client_events_per_second, ..limits })
    }

    fn status<T>(result: Result<T, ApiError>) -> (u16, Option<u64>) {
        let Err(error) = result else { return (200, None) };
        let response = error.into_response();
        let after = response.headers().get("retry-after");
        let after = after.and_then(|value| value.to_str().ok()?.parse().ok());
        (response.status().as_u16(), after)
    }

    #[test]
    fn a_client_has_so_many_requests_in_flight_and_no_more() {
        let admission = admission(2, 1);
        let ours = IpAddr::from([10, 0, 0, 1]);
        let first = admission.enter(ours).unwrap();
        let _second = admission.enter(ours).unwrap();
        assert_eq!(status(admission.enter(ours)), (429, Some(1)));
        assert_eq!(status(admission.enter(IpAddr::from([10, 0, 0, 2]))), (200, None));
        drop(first);
        assert_eq!(status(admission.enter(ours)), (200, None));
        assert_eq!(admission.in_flight.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_client_follows_so_many_streams_and_no_more() {
        let client_streams = NonZeroUsize::new(2).unwrap();
        let admission = Admission::new(Limits { client_streams, ..Limits::default() });
        let [ours, other] = [1, 2].map(|last| IpAddr::from([10, 0, 0, last]));
        let mut streams: Vec<_> = (0..2).map(|_| admission.stream(ours).unwrap()).collect();
        assert_eq!(status(admission.stream(ours)), (429, Some(5)));
        assert_eq!(status(admission.stream(other)), (200, None));
        streams.pop();
        assert_eq!(status(admission.stream(ours)), (200, None));
        // Requests do not count as streams.
        assert_eq!(status(admission.enter(ours)), (200, None));
    }

    #[test]
    fn a_client_sends_a_seconds_requests_at_once_and_no_more() {
        let client_requests_per_second = NonZeroU32::new(3).unwrap();
        let admission = Admission::new(Limits { client_requests_per_second, ..Limits::default() });
        let [ours, other] = [1, 2].map(|last| IpAddr::from([10, 0, 0, last]));
        let answers = [(); 4].map(|()| status(admission.request(ours)));
        assert_eq!(answers, [(200, None), (200, None), (200, None), (429, Some(1))]);
        assert_eq!(status(admission.request(other)), (200, None));
    }

    #[test]
    fn a_client_sends_a_seconds_events_at_once_and_no_more() {
        let admission = admission(2, 10);
        let ours = IpAddr::from([10, 0, 0, 1]);
        assert_eq!(status(admission.take(ours, 0)), (200, None));
        assert_eq!(status(admission.take(ours, 10)), (200, None));
        assert_eq!(status(admission.take(ours, 10)), (429, Some(1)));
        assert_eq!(status(admission.take(ours, 11)), (413, None));
        assert_eq!(status(admission.take(IpAddr::from([10, 0, 0, 2]), 10)), (200, None));
    }

    #[test]
    fn clients_are_addresses_of_ipv4_and_networks_of_ipv6() {
        let same = |a: &str, b: &str| client(a.parse().unwrap()) == client(b.parse().unwrap());
        assert!(same("2001:db8:1:2::3", "2001:db8:1:2:ffff::4"));
        assert!(!same("2001:db8:1:2::3", "2001:db8:1:3::3"));
        assert!(same("::ffff:10.0.0.1", "10.0.0.1"));
        assert!(!same("::ffff:10.0.0.1", "::ffff:10.0.0.2"));
    }

    #[test]
    fn idle_clients_are_forgotten() {
        // At 10^9 events a second, a client that sent one is as good as new after a nanosecond.
        let admission = admission(2, 1_000_000_000);
        for address in 0..=CLIENTS_MAX as u32 + 1 {
            admission.take(IpAddr::V4(address.into()), 1).unwrap();
        }
        assert!(admission.events.len() < CLIENTS_MAX, "{}", admission.events.len());
    }
}
