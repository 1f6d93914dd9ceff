//! Parses times that users write.

use std::time::UNIX_EPOCH;

/// Parses a time in RFC 3339, as 2026-01-31T18:00:00Z, or in ms since the epoch. Returns it in ms since
/// the epoch, or `None` for any other text and for times before the epoch.
pub fn parse_ms(text: &str) -> Option<u64> {
    let rfc_3339 = || {
        let time = humantime::parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
        u64::try_from(time.as_millis()).ok()
    };
    text.parse().ok().or_else(rfc_3339)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_milliseconds_and_rfc_3339() {
        for text in ["1620240001500", "2021-05-05T18:40:01.5Z"] {
            assert_eq!(parse_ms(text), Some(1_620_240_001_500), "{text}");
        }
        for text in ["", "now", "-1", "1969-12-31T00:00:00Z", "2021-05-05"] {
            assert_eq!(parse_ms(text), None, "{text}");
        }
    }
}
