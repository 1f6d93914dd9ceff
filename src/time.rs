//! Times as people write them.

use std::time::UNIX_EPOCH;

/// A time as 2026-01-31T18:00:00Z (RFC 3339) or in ms since the epoch, in ms since the epoch; none of a text that
/// is neither, or that is before the epoch.
pub fn parse_ms(text: &str) -> Option<u64> {
    let written = || {
        let time = humantime::parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
        u64::try_from(time.as_millis()).ok()
    };
    text.parse().ok().or_else(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_milliseconds_or_rfc_3339() {
        for text in ["1620240001500", "2021-05-05T18:40:01.5Z"] {
            assert_eq!(parse_ms(text), Some(1_620_240_001_500), "{text}");
        }
        for text in ["", "now", "-1", "1969-12-31T00:00:00Z", "2021-05-05"] {
            assert_eq!(parse_ms(text), None, "{text}");
        }
    }
}
