//! Whose requests and connections share limits.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_64;

/// The number of leading bits that identify a client of IPv6: the network that a subscriber gets
/// (RFC 6177).
const IPV6_CLIENT_BITS: u32 = 64;

/// A client: what shares of memory and of connections are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Client {
    /// A client without a token: an IPv4 address, or an IPv6 /64 network.
    Address(IpAddr),
    /// All requests with a token, by its hash. Several people may share an address.
    Token(u64),
}

/// The client of a connection's newest request. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct ConnectionClient(Arc<Mutex<Client>>);

impl Client {
    /// The client at `peer`.
    pub(super) fn at(peer: IpAddr) -> Self {
        Self::Address(client_of(peer))
    }

    /// The client with a valid `token`.
    pub(super) fn with_token(token: &str) -> Self {
        Self::Token(xxh3_64(token.as_bytes()))
    }
}

impl ConnectionClient {
    pub(super) fn new(client: Client) -> Self {
        Self(Arc::new(Mutex::new(client)))
    }

    pub(super) fn get(&self) -> Client {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, client: Client) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = client;
    }
}

/// The address that identifies the client at `peer`: an IPv4 address, or an IPv6 /64 network.
pub(super) fn client_of(peer: IpAddr) -> IpAddr {
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
    use super::*;

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_network() {
        let same =
            |a: &str, b: &str| client_of(a.parse().unwrap()) == client_of(b.parse().unwrap());
        assert!(same("2001:db8:1:2::3", "2001:db8:1:2:ffff::4"));
        assert!(!same("2001:db8:1:2::3", "2001:db8:1:3::3"));
        assert!(same("::ffff:10.0.0.1", "10.0.0.1"));
        assert!(!same("::ffff:10.0.0.1", "::ffff:10.0.0.2"));
    }
}
