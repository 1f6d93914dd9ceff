//! Proxies in front of the service, and the clients whose requests they forward.
//!
//! A proxy names its client in `X-Forwarded-For` or `Forwarded` (RFC 7239), at the end of what the client
//! itself may have sent. So the addresses are read from the right, until one is not a trusted proxy.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::{HeaderMap, header};
use ipnet::IpNet;
use thiserror::Error;

use super::excerpt::excerpt;

/// The header that most proxies set.
const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of a proxy, or a network of proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyNetwork(IpNet);

/// Text that is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{}' is no network; give an address or a network, such as 10.0.0.0/8", excerpt(.0))]
pub struct ProxyNetworkError(String);

impl FromStr for ProxyNetwork {
    type Err = ProxyNetworkError;

    fn from_str(text: &str) -> Result<Self, ProxyNetworkError> {
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(Self).map_err(|_| ProxyNetworkError(text.to_owned()))
    }
}

/// The proxies whose word on their clients is trusted.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<ProxyNetwork>);

impl TrustedProxies {
    /// Trusts all addresses of `networks`.
    pub fn new(networks: Vec<ProxyNetwork>) -> Self {
        Self(networks)
    }

    /// The address of the client that sent a request with `headers`, which arrived from `peer`.
    ///
    /// Any other peer than a trusted proxy is the client itself. So is a proxy whose two headers name
    /// different clients: one of them is then the client's own invention.
    pub(super) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        if !self.trusts(peer.ip()) {
            return peer;
        }
        let elements = |name: &str| -> Option<IpAddr> {
            let values = headers.get_all(name).iter().rev();
            let mut values = values.peekable();
            values.peek()?;
            let elements = values.flat_map(|value| {
                // Text that is not ASCII ends the search like any other text that is no address.
                value.to_str().unwrap_or("?").rsplit(',')
            });
            let parse = if name == X_FORWARDED_FOR { address } else { forwarded_for };
            Some(self.nearest(peer.ip(), elements.map(parse)))
        };
        let client = match (elements(X_FORWARDED_FOR), elements(header::FORWARDED.as_str())) {
            (Some(one), Some(other)) if one != other => peer.ip(),
            (Some(client), _) | (None, Some(client)) => client,
            (None, None) => peer.ip(),
        };
        if client == peer.ip() { peer } else { SocketAddr::new(client, 0) }
    }

    /// The first of `hops` that is not a trusted proxy, or the last one before a hop without an address.
    fn nearest(&self, peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut nearest = peer;
        for hop in hops {
            let Some(address) = hop else { break };
            nearest = address;
            if !self.trusts(address) {
                break;
            }
        }
        nearest
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|ProxyNetwork(network)| network.contains(&address))
    }
}

/// The address in an element of `X-Forwarded-For`; some proxies add a port.
fn address(element: &str) -> Option<IpAddr> {
    let element = element.trim();
    let bracketed = || element.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || element.parse::<SocketAddr>().ok().map(|address| address.ip());
    element.parse().ok().or_else(with_port).or_else(bracketed)
}

/// The address in an element of `Forwarded`, such as `for="[2001:db8::1]:4711";proto=https`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    // A part of a quoted text with a comma is no element. A client could have sent it as its host.
    if element.contains('\\') || !element.matches('"').count().is_multiple_of(2) {
        return None;
    }
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    match (named.next(), named.next()) {
        (Some((_, node)), None) => address(node.trim().trim_matches('"')),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client of a request from `peer` with headers, for trusted proxies.
    fn client(peer: &str, sent: &[(&str, &str)]) -> String {
        let trusted = ["10.0.0.0/8", "192.168.1.7", "2001:db8:1::/48"];
        let trusted = TrustedProxies::new(trusted.map(|text| text.parse().unwrap()).to_vec());
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            let name: header::HeaderName = name.parse().unwrap();
            headers.append(name, header::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        trusted.client(peer, &headers).ip().to_string()
    }

    #[test]
    fn takes_the_right_most_address_that_is_no_trusted_proxy() {
        for (sent, expected) in [
            (&[][..], "10.1.1.1"),
            (&["1.2.3.4"], "1.2.3.4"),
            (&["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            (&["6.6.6.6, 1.2.3.4, 10.2.2.2,192.168.1.7"], "1.2.3.4"),
            (&["6.6.6.6", "1.2.3.4", "10.2.2.2"], "1.2.3.4"),
            (&["10.2.2.2, 10.3.3.3"], "10.2.2.2"),
            (&["1.2.3.4:5678"], "1.2.3.4"),
            (&["[2001:db8::1]:443"], "2001:db8::1"),
            (&["2001:db8::1, 2001:db8:1::9"], "2001:db8::1"),
            (&["::ffff:10.2.2.2"], "::ffff:10.2.2.2"),
            (&["6.6.6.6, unknown"], "10.1.1.1"),
            (&["6.6.6.6, unknown, 10.2.2.2"], "10.2.2.2"),
            (&["6.6.6.6, é, 10.2.2.2"], "10.1.1.1"),
            (&[""], "10.1.1.1"),
        ] {
            let headers: Vec<_> = sent.iter().map(|value| ("x-forwarded-for", *value)).collect();
            assert_eq!(client("10.1.1.1", &headers), expected, "{sent:?}");
        }
    }

    #[test]
    fn reads_forwarded_as_well() {
        for (sent, expected) in [
            ("for=1.2.3.4", "1.2.3.4"),
            ("for=6.6.6.6, For=\"1.2.3.4:80\";proto=https;by=10.1.1.1", "1.2.3.4"),
            ("for=\"[2001:db8::1]:4711\"", "2001:db8::1"),
            ("for=1.2.3.4, for=10.2.2.2", "1.2.3.4"),
            ("for=_hidden", "10.1.1.1"),
            ("proto=https", "10.1.1.1"),
            ("for=6.6.6.6;for=1.2.3.4", "10.1.1.1"),
            // The client sent a quote, and a host with a comma.
            ("for=\"x, for=1.2.3.4", "1.2.3.4"),
            ("for=1.2.3.4;host=\"a,for=6.6.6.6\"", "10.1.1.1"),
            ("for=1.2.3.4;host=\"a,for=6.6.6.6;x=\\\"\"", "10.1.1.1"),
        ] {
            assert_eq!(client("10.1.1.1", &[("forwarded", sent)]), expected, "{sent}");
        }
    }

    #[test]
    fn headers_of_others_and_headers_that_disagree_are_not_believed() {
        let (by_client, by_proxy) = (("x-forwarded-for", "6.6.6.6"), ("forwarded", "for=1.2.3.4"));
        assert_eq!(client("11.0.0.1", &[by_client]), "11.0.0.1");
        assert_eq!(client("192.168.1.8", &[by_client]), "192.168.1.8");
        assert_eq!(client("10.1.1.1", &[by_client, by_proxy]), "10.1.1.1");
        let both = [("x-forwarded-for", "1.2.3.4"), by_proxy];
        assert_eq!(client("::ffff:10.1.1.1", &both), "1.2.3.4");
    }

    #[test]
    fn a_network_is_an_address_with_or_without_a_length() {
        for text in ["10.0.0.0/8", "10.0.0.1", "::1", "2001:db8::/32", "0.0.0.0/0"] {
            assert!(text.parse::<ProxyNetwork>().is_ok(), "{text}");
        }
        for text in ["", "proxy", "10.0.0.0/33", "10.0.0/8", "10.0.0.1:80", "*"] {
            let error = text.parse::<ProxyNetwork>().unwrap_err();
            assert!(error.to_string().contains(&format!("'{text}'")), "{error}");
        }
    }
}
