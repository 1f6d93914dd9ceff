//! A rate limit for each client.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::serve::client::client_of;

/// The number of clients whose rates are remembered before idle ones are removed: the default limit of
/// connections.
const CLIENTS_MAX: usize = 10_000;

/// A token bucket for each client. Its capacity is the rate of one second.
pub(super) struct ClientRate {
    buckets: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
}

/// Why a client is over its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RateError {
    /// The bucket has enough tokens after this time.
    RetryAfter(Duration),
    /// The bucket never has so many tokens.
    OverCapacity,
}

impl ClientRate {
    pub(super) fn per_second(rate: NonZeroU32) -> Self {
        let buckets = RateLimiter::keyed(Quota::per_second(rate));
        Self { buckets, clock: DefaultClock::default() }
    }

    /// The number of clients whose rates are remembered.
    pub(super) fn clients(&self) -> usize {
        self.buckets.len()
    }

    /// Takes `count` tokens of the client of `peer`.
    pub(super) fn check(&self, peer: IpAddr, count: NonZeroU32) -> Result<(), RateError> {
        if self.buckets.len() > CLIENTS_MAX {
            self.buckets.retain_recent();
        }
        match self.buckets.check_key_n(&client_of(peer), count) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => {
                Err(RateError::RetryAfter(not_until.wait_time_from(self.clock.now())))
            }
            Err(_) => Err(RateError::OverCapacity),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_idle_clients() {
        // At 10^9 tokens a second, a bucket is full again after a nanosecond.
        let rate = ClientRate::per_second(NonZeroU32::new(1_000_000_000).unwrap());
        for address in 0..=CLIENTS_MAX as u32 + 1 {
            rate.check(IpAddr::V4(address.into()), NonZeroU32::MIN).unwrap();
        }
        assert!(rate.buckets.len() < CLIENTS_MAX, "{}", rate.buckets.len());
    }
}
