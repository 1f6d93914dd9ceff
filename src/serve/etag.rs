//! Conditional requests: what a client has already is not sent again (RFC 9110, 13.1.2).

use axum::http::{HeaderMap, header};

/// The strong entity tag of bytes with that hash.
pub(super) fn of(hash: u128) -> String {
    format!("\"{hash:032x}\"")
}

/// Whether `If-None-Match` names the entity tag, which is one of [`of`]: such have no commas. Clients
/// of Firebase may leave out the quotes.
pub(super) fn is_named(headers: &HeaderMap, etag: &str) -> bool {
    let given = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut given = given.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    given.any(|tag| {
        let tag = tag.trim();
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        tag == "*" || tag == etag || tag == etag.trim_matches('"')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_named_alone_among_others_weakly_or_without_quotes() {
        let etag = of(7);
        assert_eq!(etag, "\"00000000000000000000000000000007\"");
        let is_named = |value: &str| {
            is_named(
                &HeaderMap::from_iter([(header::IF_NONE_MATCH, value.parse().unwrap())]),
                &etag,
            )
        };
        let bare = etag.trim_matches('"');
        for value in ["*", &etag, bare, &format!("W/{etag}"), &format!("\"a,b\" ,{etag}")] {
            assert!(is_named(value), "{value}");
        }
        for value in ["", "\"\"", &of(8), &format!("\"x{bare}\""), &format!("w/{etag}")] {
            assert!(!is_named(value), "{value}");
        }
    }
}
