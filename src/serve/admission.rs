//! Who is let in: bounds for each client, and for the memory that all of them take.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use hashbrown::HashMap;
use tokio::sync::Semaphore;

use super::body::Held;
use super::error::ApiError;
use super::limits::Limits;

/// Clients whose rates are remembered before those that were idle are forgotten: as many as there
/// are connections, by default.
const CLIENTS_MAX: usize = 10_000;

/// A network of this many leading bits is one client: what a subscriber of IPv6 is given (RFC 6177).
const IPV6_CLIENT_BITS: u32 = 64;

/// The bounds of clients.
pub(super) struct Admission {
    memory: Arc<Semaphore>,
    rates: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
    requests: Arc<Mutex<HashMap<IpAddr, usize>>>,
    limits: Limits,
}

/// A request that counts among its client's until it is dropped.
pub(super) struct InFlight {
    client: IpAddr,
    requests: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Admission {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            memory: Arc::new(Semaphore::new(limits.bodies_bytes as usize)),
            rates: RateLimiter::keyed(Quota::per_second(limits.client_events_per_second)),
            clock: DefaultClock::default(),
            requests: Arc::default(),
            limits,
        }
    }

    /// Lets a request of `peer` in.
    ///
    /// # Errors
    /// 429 `too_many_requests` where as many of this client are in.
    pub(super) fn enter(&self, peer: IpAddr) -> Result<InFlight, ApiError> {
        let client = client(peer);
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let count = requests.entry(client).or_insert(0);
        if *count >= self.limits.client_requests {
            let message = format!("{count} of your requests are being answered; wait for them");
            return Err(too_many(message).retry_after(1));
        }
        *count += 1;
        Ok(InFlight { client, requests: Arc::clone(&self.requests) })
    }

    /// An empty body, which takes memory as it grows.
    pub(super) fn hold(&self) -> Held {
        Held::new(Arc::clone(&self.memory))
    }

    /// Lets so many events of `peer` in, which are no more than a second's.
    ///
    /// # Errors
    /// 429 `too_many_requests` with the time when they would be let in.
    pub(super) fn take(&self, peer: IpAddr, events: usize) -> Result<(), ApiError> {
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        let Some(events) = NonZeroU32::new(events) else { return Ok(()) };
        if self.rates.len() > CLIENTS_MAX {
            self.rates.retain_recent();
        }
        let rate = self.limits.client_events_per_second;
        match self.rates.check_key_n(&client(peer), events) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => {
                let wait = not_until.wait_time_from(self.clock.now());
                let message = format!("more than {rate} events/s; send them later");
                Err(too_many(message).retry_after(wait.as_secs() + 1))
            }
            Err(_) => Err(too_many_events(rate)),
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = requests.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                requests.remove(&self.client);
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
        assert_eq!(admission.requests.lock().unwrap().len(), 1);
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
        assert!(admission.rates.len() < CLIENTS_MAX, "{}", admission.rates.len());
    }
}
