//! Tokens for read-your-writes: a reply to an ingest says from when on its events are visible, and
//! a read that brings the token waits until then.

use std::fmt;
use std::time::Duration;

use axum::http::StatusCode;
use velodrome_dataflows::Clock;
use xxhash_rust::xxh3::xxh3_64;

use super::error::ApiError;
use super::query::{VALUE_CHARS_MAX, shortened};
use crate::engine::Engine;
use crate::log::TICK_MS;

/// The longest that a request waits for a time to be complete (CONTRACTS, section 4).
pub(super) const WAIT_MAX: Duration = Duration::from_secs(5);

/// The version of the form; whoever keeps a token of another one is told so.
const VERSION: &str = "a";

/// The logical time by which the events of an ingest are visible, opaque to clients: the version,
/// the time in hexadecimal, and four digits that tell a mangled one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(Clock);

impl Token {
    /// The token of what is visible at `complete`.
    pub fn at(complete: Clock) -> Self {
        Self(complete)
    }

    /// The token of events that arrived at `arrival_ms`: they are visible at the end of its tick.
    pub fn of_arrival(arrival_ms: u64) -> Self {
        Self(arrival_ms.checked_next_multiple_of(TICK_MS).unwrap_or(arrival_ms))
    }

    /// Reads a token.
    ///
    /// # Errors
    /// 400 `bad_parameter`: a text that no reply ever gave.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let digits = text
            .strip_prefix(VERSION)
            .and_then(|digits| digits.get(..digits.len().checked_sub(4)?));
        let time = digits.and_then(|digits| Clock::from_str_radix(digits, 16).ok());
        // There is one text for each token; the parser of Rust takes more forms.
        time.map(Self).filter(|token| token.to_string() == text).ok_or_else(|| {
            let text = shortened(text, VALUE_CHARS_MAX);
            ApiError::bad_parameter(format!(
                "after is '{text}'; it must be the token of a reply to an ingest"
            ))
        })
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(time) = self;
        let check = xxh3_64(&time.to_le_bytes()) & 0xffff;
        write!(f, "{VERSION}{time:x}{check:04x}")
    }
}

/// Waits, where `after` is a token, until `engine` shows the events that it is of.
///
/// # Errors
/// 400 `bad_parameter` for what is no token, 504 `after_timeout` after 5 s, 503 `stopping`.
pub async fn wait_for(engine: &Engine, after: Option<&str>) -> Result<(), ApiError> {
    let Some(after) = after else { return Ok(()) };
    let Token(time) = Token::parse(after)?;
    match tokio::time::timeout(WAIT_MAX, engine.reached(time)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(stopped)) => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Err(ApiError::new(status, "stopping", stopped.to_string()).retry_after(1))
        }
        Err(_) => Err(ApiError::new(
            StatusCode::GATEWAY_TIMEOUT,
            "after_timeout",
            format!(
                "what 'after' names was not visible within {} s; ask again",
                WAIT_MAX.as_secs()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::response::IntoResponse;
    use proptest::prelude::*;
    use tokio::sync::watch;
    use tokio::time::Instant;

    use super::*;
    use crate::feeds::Feeds;

    fn engine(complete: Clock) -> (Engine, watch::Sender<Clock>) {
        let (sender, receiver) = watch::channel(complete);
        (Engine::new(Vec::new(), receiver, Arc::new(Feeds::default())), sender)
    }

    async fn status(engine: &Engine, after: &str) -> u16 {
        match wait_for(engine, Some(after)).await {
            Ok(()) => 200,
            Err(error) => error.into_response().status().as_u16(),
        }
    }

    proptest! {
        #[test]
        fn a_token_is_read_as_it_was_written(time in any::<u64>()) {
            prop_assert_eq!(Token::parse(&Token(time).to_string()), Ok(Token(time)));
        }

        #[test]
        fn what_no_reply_gave_is_refused(text in ".{0,24}") {
            prop_assert!(Token::parse(&text).is_err());
        }

        #[test]
        fn a_mangled_token_is_refused(time in 0..1u64 << 44, at in 0..22usize, by in "[0-9a-zA-Z+é]") {
            let mut text = Token(time).to_string();
            let at = at % text.len();
            text.replace_range(at..=at, &by);
            prop_assume!(text != Token(time).to_string());
            prop_assert!(Token::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn events_are_visible_at_the_end_of_their_tick() {
        assert_eq!(Token::of_arrival(1_620_240_001_000), Token(1_620_240_001_000));
        assert_eq!(Token::of_arrival(1_620_240_001_001), Token(1_620_240_001_010));
        assert_eq!(Token::of_arrival(u64::MAX), Token(u64::MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_waits_until_its_token_is_complete() {
        let (engine, complete) = engine(10);
        assert_eq!(status(&engine, &Token(10).to_string()).await, 200);
        let waits = async {
            let token = Token(20).to_string();
            let started = Instant::now();
            (status(&engine, &token).await, started.elapsed())
        };
        let advances = async {
            for time in [11, 19, 20] {
                tokio::time::sleep(Duration::from_secs(1)).await;
                complete.send(time).unwrap();
            }
        };
        let (waited, ()) = tokio::join!(waits, advances);
        assert_eq!(waited, (200, Duration::from_secs(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_waits_five_seconds_at_most_and_not_for_an_engine_that_stopped() {
        let (engine, complete) = engine(10);
        let started = Instant::now();
        assert_eq!(status(&engine, &Token(11).to_string()).await, 504);
        assert_eq!(started.elapsed(), WAIT_MAX);
        drop(complete);
        assert_eq!(status(&engine, &Token(11).to_string()).await, 503);
        assert_eq!(status(&engine, "a").await, 400);
        assert_eq!(wait_for(&engine, None).await, Ok(()));
    }
}
