//! The difference between the stream's clock and the clock of this machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_kinesis::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_kinesis::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_kinesis::error::BoxError;
use aws_sdk_kinesis::primitives::{DateTime, DateTimeFormat};

use crate::log::Clock;

/// Differences up to this size are not measurable: the time of a response has whole seconds, and servers
/// update it once per second.
const PRECISION_MS: u64 = 2_000;

/// Measures the difference when a response arrives. Clones share the result.
#[derive(Clone, Debug, Default)]
pub(super) struct ClockOffset(Arc<AtomicI64>);

impl ClockOffset {
    /// The time of the stream minus the time of this machine, in ms. 0 if they are nearly equal, or if
    /// no response with a time has arrived.
    pub(super) fn ms(&self) -> i64 {
        self.0.load(Ordering::Acquire)
    }
}

impl Intercept for ClockOffset {
    fn name(&self) -> &'static str {
        "ClockOffset"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok());
        let stream_ms = date.and_then(|date| u64::try_from(date.secs()).ok()?.checked_mul(1_000));
        let offset_ms = stream_ms.map_or(0, |ms| offset_ms(ms, Clock::system().now()));
        self.0.store(offset_ms, Ordering::Release);
        Ok(())
    }
}

/// `stream_ms` minus `now_ms`, or 0 if the difference is not measurable.
fn offset_ms(stream_ms: u64, now_ms: u64) -> i64 {
    match stream_ms.abs_diff(now_ms) <= PRECISION_MS {
        true => 0,
        // The later end of the second, so that no record that has arrived counts as later.
        false => (stream_ms + PRECISION_MS).cast_signed().wrapping_sub(now_ms.cast_signed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_within_the_precision_of_the_header_counts_as_none() {
        for (stream_ms, expected) in [
            (98_000, 0),
            (100_000, 0),
            (102_000, 0),
            (97_000, -1_000),
            (40_000, -58_000),
            (160_000, 62_000),
        ] {
            assert_eq!(offset_ms(stream_ms, 100_000), expected, "{stream_ms}");
        }
    }
}
