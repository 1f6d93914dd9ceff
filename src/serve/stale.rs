//! The header of answers whose results are not updated.

use axum::http::{HeaderName, HeaderValue};

/// The header of an answer whose results are not updated, because no generation of the cluster runs. Its value is
/// the reason.
pub(super) const STALE: HeaderName = HeaderName::from_static("stale");

/// A reason as the value of a header, which has visible ASCII characters and spaces only.
pub(super) fn stale_value(reason: &str) -> HeaderValue {
    let is_visible = |character: &char| (' '..='~').contains(character);
    let visible: String = reason
        .chars()
        .map(|character| if is_visible(&character) { character } else { '?' })
        .collect();
    HeaderValue::try_from(visible).unwrap_or(HeaderValue::from_static("no reason"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_reason_is_a_header() {
        assert_eq!(stale_value("the cluster waits for node 2"), "the cluster waits for node 2");
        assert_eq!(stale_value("Zoë\r\nx: y"), "Zo???x: y");
        assert_eq!(stale_value(""), "");
    }
}
