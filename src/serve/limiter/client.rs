//! Which client an address belongs to.

use std::net::{IpAddr, Ipv6Addr};

/// The number of leading bits that identify a client of IPv6: the network that a subscriber gets
/// (RFC 6177).
const IPV6_CLIENT_BITS: u32 = 64;

/// The client of `peer`: an IPv4 address, or an IPv6 /64 network.
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
