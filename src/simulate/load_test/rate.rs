//! The rate of a load test: how fast the time of its events passes.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

/// Events that are due within this interval of the wall clock are sent together at its end, as a gateway
/// that buffers for a moment would do. It is short compared with the second between two events of a
/// bike.
pub(super) const SEND_INTERVAL: Duration = Duration::from_millis(20);

/// The rate of a load test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Seconds of the events' time for each second of the wall clock; 1 is real time.
    Factor(f64),
    /// As fast as events are acknowledged.
    Max,
}

/// A text that is not a rate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{0}' is not a rate; give realtime, max, or a factor above 0")]
pub struct RateError(String);

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        match text {
            "realtime" => Ok(Self::Factor(1.0)),
            "max" => Ok(Self::Max),
            _ => match text.parse() {
                Ok(factor) if f64::is_finite(factor) && factor > 0.0 => Ok(Self::Factor(factor)),
                _ => Err(RateError(text.to_owned())),
            },
        }
    }
}

impl Rate {
    /// When to send an event that arrives `after_ms` ms after the first one: at the end of a send
    /// interval, from the start of the load test. `None` for as soon as possible.
    pub(super) fn due(self, after_ms: u64) -> Option<Duration> {
        let Self::Factor(factor) = self else { return None };
        let interval_ms = SEND_INTERVAL.as_millis() as u64;
        let intervals = (after_ms as f64 / factor / interval_ms as f64).ceil() as u64;
        Some(Duration::from_millis(intervals.saturating_mul(interval_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_word_or_a_factor_above_0() {
        for (text, rate) in [
            ("realtime", Rate::Factor(1.0)),
            ("max", Rate::Max),
            ("10", Rate::Factor(10.0)),
            ("0.5", Rate::Factor(0.5)),
        ] {
            assert_eq!(text.parse(), Ok(rate));
        }
        for text in ["", "0", "-1", "inf", "NaN", "1e999", "Max", "10x"] {
            assert_eq!(text.parse::<Rate>(), Err(RateError(text.to_owned())));
        }
    }

    #[test]
    fn events_are_due_at_the_end_of_their_send_interval() {
        for (factor, after_ms, due_ms) in [
            (1.0, 0, 0),
            (1.0, 1, 20),
            (1.0, 20, 20),
            (1.0, 21, 40),
            (10.0, 200, 20),
            (10.0, 201, 40),
            (0.5, 10, 20),
            (0.5, 11, 40),
        ] {
            let due = Rate::Factor(factor).due(after_ms);
            assert_eq!(due, Some(Duration::from_millis(due_ms)), "{after_ms} at {factor}");
        }
        assert_eq!(Rate::Max.due(1_000), None);
        for factor in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE] {
            assert!(Rate::Factor(factor).due(1_000).is_some(), "{factor}");
        }
    }
}
