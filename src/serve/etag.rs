//! Entity tags and conditional requests (RFC 9110, 13.1.2).

use axum::http::{HeaderMap, header};

/// The strong entity tag of content with this hash.
pub(super) fn from_hash(hash: u128) -> String {
    format!("\"{hash:032x}\"")
}

/// Whether `If-None-Match` contains `etag`. It must come from [`from_hash`], so it contains no comma.
/// The quotes may be missing, because some clients of Firebase omit them.
pub(super) fn matches(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut tags = values.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    tags.any(|tag| {
        let tag = tag.trim();
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        tag == "*" || tag == etag || tag == etag.trim_matches('"')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_matches_in_a_list_as_weak_or_without_quotes() {
        let etag = from_hash(7);
        assert_eq!(etag, "\"00000000000000000000000000000007\"");
        let is_match = |value: &str| {
            let headers = [(header::IF_NONE_MATCH, value.parse().unwrap())];
            matches(&HeaderMap::from_iter(headers), &etag)
        };
        let bare = etag.trim_matches('"');
        for value in ["*", &etag, bare, &format!("W/{etag}"), &format!("\"a,b\" ,{etag}")] {
            assert!(is_match(value), "{value}");
        }
        for value in ["", "\"\"", &from_hash(8), &format!("\"x{bare}\""), &format!("w/{etag}")] {
            assert!(!is_match(value), "{value}");
        }
    }
}
