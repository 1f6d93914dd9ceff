use axum::http::{HeaderMap, header};

use super::credentials::{bearer, split_tokens};
use super::*;

#[test]
fn only_loopback_addresses_are_served_without_tokens() {
    for address in ["127.0.0.1:1", "127.8.9.10:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert!(check_bind(address.parse().unwrap(), &Auth::Off).is_ok(), "{address}");
    }
    for address in ["0.0.0.0:1", "[::]:1", "192.168.1.7:1", "[fe80::1]:1"] {
        let message = check_bind(address.parse().unwrap(), &Auth::Off).unwrap_err().to_string();
        assert!(message.contains(address), "{message}");
    }
}

#[test]
fn tokens_are_removed_from_the_query_and_the_rest_is_unchanged() {
    for (uri, token, rest) in [
        ("/a", None, "/a"),
        ("/a?", None, "/a?"),
        ("/a?b=%20c&d", None, "/a?b=%20c&d"),
        ("/a?auth=t", Some("t"), "/a"),
        ("/a?x=1&access_token=t%2E&y=%C3%A9", Some("t."), "/a?x=1&y=%C3%A9"),
        ("/a?auth=1&access_token=2&auth=3", Some("1"), "/a"),
        ("/a?a%75th=t&author=x", Some("t"), "/a?author=x"),
        ("/a?auth", Some(""), "/a"),
    ] {
        let (found, left) = split_tokens(&uri.parse().unwrap());
        assert_eq!((found.as_deref(), &*left.to_string()), (token, rest), "{uri}");
    }
}

#[test]
fn the_bearer_scheme_is_case_insensitive() {
    for (authorization, token) in [
        ("Bearer in", Some("in")),
        ("bearer  in ", Some("in")),
        ("BEARER in", Some("in")),
        ("Basic in", None),
        ("in", None),
        ("Bearer", None),
        ("Bearer in\u{e9}", None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
        assert_eq!(bearer(&headers), token, "{authorization:?}");
    }
}
