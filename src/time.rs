//! Times as users write and read them.

use std::time::{Duration, UNIX_EPOCH};

use thiserror::Error;

/// Smaller numbers are times before 3 March 1973 in milliseconds. In seconds they are of today.
const SECONDS_BELOW: u64 = 100_000_000_000;
/// These and greater numbers are times after the year 5000 in milliseconds. In microseconds or nanoseconds
/// they are of today.
const MICROSECONDS_FROM: u64 = 100_000_000_000_000;
/// Some seconds before this is 9 September 2001; numbers below it are taken as they are.
const SECONDS_FROM: u64 = 1_000_000_000;

/// Why a text is not a time.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TimeError {
    /// It has another format, or is a time before the epoch.
    #[error(
        "give a time as 2026-01-31T18:00:00Z or 2026-01-31T19:00:00+01:00, or in milliseconds since the \
         epoch"
    )]
    Format,
    /// The number is a recent time in seconds.
    #[error("this looks like seconds since the epoch; give milliseconds: {0}000")]
    Seconds(u64),
    /// The number is a recent time in microseconds or nanoseconds.
    #[error("this looks like micro- or nanoseconds since the epoch; give milliseconds")]
    Microseconds,
}

/// Parses a time in RFC 3339, as 2026-01-31T18:00:00Z or 2026-01-31T19:00:00+01:00, or in ms since the
/// epoch. Returns it in ms since the epoch.
///
/// # Errors
/// If the text is not a time, is before the epoch, or is a number that is probably in another unit.
pub fn parse_ms(text: &str) -> Result<u64, TimeError> {
    match text.parse() {
        Ok(seconds @ SECONDS_FROM..SECONDS_BELOW) => Err(TimeError::Seconds(seconds)),
        Ok(MICROSECONDS_FROM..) => Err(TimeError::Microseconds),
        Ok(ms) => Ok(ms),
        Err(_) => rfc_3339(text).ok_or(TimeError::Format),
    }
}

/// The first time that RFC 3339 cannot express, in ms since the epoch: the year 10000.
pub const FORMATTED_MS_END: u64 = 253_402_300_800_000;

/// A time in ms since the epoch in RFC 3339, as 2026-01-31T18:00:00Z. Times after the year 9999 are in ms.
pub fn format_ms(ms: u64) -> String {
    match UNIX_EPOCH.checked_add(Duration::from_millis(ms)) {
        Some(time) if ms < FORMATTED_MS_END => humantime::format_rfc3339_seconds(time).to_string(),
        _ => format!("{ms} ms"),
    }
}

fn rfc_3339(text: &str) -> Option<u64> {
    let (local, offset_ms) = split_offset(text)?;
    let utc = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    let since_epoch = utc.duration_since(UNIX_EPOCH).ok()?.as_millis();
    u64::try_from(i128::try_from(since_epoch).ok()? - i128::from(offset_ms)).ok()
}

/// Splits a time into the local time and its offset from UTC in ms.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        return Some((local, 0));
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub("+00:00".len())?)?;
    let sign = match offset.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let two_digits = |part: &str, max| {
        let digits = Some(part).filter(|part| part.len() == 2 && !part.starts_with('+'));
        digits?.parse::<i64>().ok().filter(|number| *number <= max)
    };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let minutes = two_digits(hours, 23)? * 60 + two_digits(minutes, 59)?;
    Some((local, sign * minutes * 60_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_milliseconds_and_rfc_3339() {
        for text in [
            "1620240001500",
            "2021-05-05T18:40:01.5Z",
            "2021-05-05T18:40:01.500z",
            "2021-05-05T20:40:01.5+02:00",
            "2021-05-06T00:10:01.5+05:30",
            "2021-05-05T10:40:01.5-08:00",
            "2021-05-05T18:40:01.5-00:00",
        ] {
            assert_eq!(parse_ms(text), Ok(1_620_240_001_500), "{text}");
        }
        assert_eq!(parse_ms("1970-01-01T00:00:00-01:00"), Ok(3_600_000));
        assert_eq!(parse_ms("0"), Ok(0));
        for text in [
            "",
            "now",
            "-1",
            "1969-12-31T00:00:00Z",
            "1970-01-01T00:00:00+01:00",
            "2021-05-05",
            "2021-05-05T18:40:01",
            "2021-05-05T18:40:01+2:00",
            "2021-05-05T18:40:01+24:00",
            "2021-05-05T18:40:01+02:60",
            "2021-05-05T18:40:01++1:00",
            "2021-05-05T18:40:01+0é:0",
        ] {
            assert_eq!(parse_ms(text), Err(TimeError::Format), "{text}");
        }
    }

    #[test]
    fn a_number_in_another_unit_is_refused_with_its_unit() {
        assert_eq!(parse_ms("1620240001"), Err(TimeError::Seconds(1_620_240_001)));
        for text in ["1620240001500000", "1620240001500000000"] {
            assert_eq!(parse_ms(text), Err(TimeError::Microseconds), "{text}");
        }
    }
}
