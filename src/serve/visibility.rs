//! Read-your-writes. The reply to an ingest contains a token, and a read that sends it as `after` waits
//! until the events of that ingest are visible.

use std::fmt;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::time::timeout;
use velodrome_dataflows::EventTime;
use xxhash_rust::xxh3::xxh3_64;

use super::error::ApiError;
use super::excerpt::excerpt;
use crate::engine::{Engine, EngineError};
use crate::log::TICK_MS;

/// The maximum duration that a request waits for a time to become complete.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(5);

/// How long a request waits while no generation of the cluster runs. A client can ask again, or read without `after`.
const NO_GENERATION_WAIT_MAX: Duration = Duration::from_secs(1);

/// The version of the token format. Tokens of other versions are rejected.
const VERSION: &str = "a";

/// The time at which the events of an ingest are visible. As text it is opaque to clients: the version,
/// the time in hexadecimal, and four digits of a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VisibilityToken(EventTime);

impl VisibilityToken {
    /// The token of events that are visible at `complete`.
    pub fn at(complete: EventTime) -> Self {
        Self(complete)
    }

    /// The token of events that arrived at `arrival_ms`. They are visible at the end of its tick.
    pub fn of_arrival(arrival_ms: u64) -> Self {
        Self(arrival_ms.checked_next_multiple_of(TICK_MS).unwrap_or(arrival_ms))
    }

    /// Parses a token.
    ///
    /// # Errors
    /// 400 `bad_parameter` for text that [`VisibilityToken`] does not display.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let digits = text
            .strip_prefix(VERSION)
            .and_then(|digits| digits.get(..digits.len().checked_sub(4)?));
        let time = digits.and_then(|digits| EventTime::from_str_radix(digits, 16).ok());
        // A token has only one valid text, but `from_str_radix` accepts variants, such as a leading
        // plus.
        time.map(Self).filter(|token| token.to_string() == text).ok_or_else(|| {
            let text = excerpt(text);
            ApiError::bad_parameter(format!(
                "after is '{text}'; it must be the token in a reply to POST /v1/events"
            ))
        })
    }
}

impl fmt::Display for VisibilityToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(time) = self;
        let check = xxh3_64(&time.to_le_bytes()) & 0xffff;
        write!(f, "{VERSION}{time:x}{check:04x}")
    }
}

/// Waits until the events of the token `after` are visible; returns at once for `None`.
///
/// # Errors
/// 400 `bad_parameter` for an invalid token, 504 `after_timeout` after 5 s, 503 `cluster_incomplete` when no generation
/// of the cluster ran for a second, 503 `stopping`.
pub async fn wait_for(engine: &Engine, after: Option<&str>) -> Result<(), ApiError> {
    let Some(after) = after else { return Ok(()) };
    let VisibilityToken(time) = VisibilityToken::parse(after)?;
    let reached = tokio::select! {
        biased;
        reached = timeout(WAIT_MAX, engine.wait_complete(time)) => reached,
        () = engine.wait_without_workers(NO_GENERATION_WAIT_MAX) => Ok(Err(EngineError::NoGeneration)),
    };
    match reached {
        Ok(reached) => Ok(reached?),
        Err(_) => Err(ApiError::new(
            StatusCode::GATEWAY_TIMEOUT,
            "after_timeout",
            format!(
                "the events of 'after' were not visible within {} s; try again",
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
    use crate::engine::command_channel;
    use crate::live_state::LiveState;

    fn engine(complete: EventTime) -> (Engine, watch::Sender<EventTime>) {
        let (sender, receiver) = watch::channel(complete);
        let (worker, _) = command_channel();
        (Engine::new(vec![worker], receiver, Arc::new(LiveState::default())), sender)
    }

    async fn status(engine: &Engine, after: &str) -> u16 {
        match wait_for(engine, Some(after)).await {
            Ok(()) => 200,
            Err(error) => error.into_response().status().as_u16(),
        }
    }

    proptest! {
        #[test]
        fn parses_what_it_displays(time in any::<u64>()) {
            prop_assert_eq!(VisibilityToken::parse(&VisibilityToken(time).to_string()), Ok(VisibilityToken(time)));
        }

        #[test]
        fn rejects_other_text(text in ".{0,24}") {
            prop_assert!(VisibilityToken::parse(&text).is_err());
        }

        #[test]
        fn rejects_a_token_with_a_changed_character(time in 0..1u64 << 44, at in 0..22usize, by in "[0-9a-zA-Z+é]") {
            let mut text = VisibilityToken(time).to_string();
            let at = at % text.len();
            text.replace_range(at..=at, &by);
            prop_assume!(text != VisibilityToken(time).to_string());
            prop_assert!(VisibilityToken::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn events_are_visible_at_the_end_of_their_tick() {
        assert_eq!(
            VisibilityToken::of_arrival(1_620_240_001_000),
            VisibilityToken(1_620_240_001_000)
        );
        assert_eq!(
            VisibilityToken::of_arrival(1_620_240_001_001),
            VisibilityToken(1_620_240_001_010)
        );
        assert_eq!(VisibilityToken::of_arrival(u64::MAX), VisibilityToken(u64::MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn waits_until_the_time_of_the_token_is_complete() {
        let (engine, complete) = engine(10);
        assert_eq!(status(&engine, &VisibilityToken(10).to_string()).await, 200);
        let waits = async {
            let token = VisibilityToken(20).to_string();
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
    async fn waits_at_most_five_seconds_and_not_for_a_stopped_engine() {
        let (engine, complete) = engine(10);
        let started = Instant::now();
        assert_eq!(status(&engine, &VisibilityToken(11).to_string()).await, 504);
        assert_eq!(started.elapsed(), WAIT_MAX);
        drop(complete);
        assert_eq!(status(&engine, &VisibilityToken(11).to_string()).await, 503);
        assert_eq!(status(&engine, "a").await, 400);
        assert_eq!(wait_for(&engine, None).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn waits_a_second_for_a_generation_and_not_longer() {
        let (complete, receiver) = watch::channel(10);
        let engine = Engine::new(Vec::new(), receiver, Arc::new(LiveState::default()));
        assert_eq!(status(&engine, &VisibilityToken(10).to_string()).await, 200);
        let started = Instant::now();
        let token = VisibilityToken(11).to_string();
        let error = wait_for(&engine, Some(&token)).await.unwrap_err();
        assert!(error.is_no_generation() && error.status() == 503, "{error:?}");
        assert!(started.elapsed() < Duration::from_millis(1_500), "{:?}", started.elapsed());
        let forms = async {
            tokio::time::sleep(Duration::from_millis(800)).await;
            complete.send(11).unwrap();
        };
        let (waited, ()) = tokio::join!(status(&engine, &token), forms);
        assert_eq!(waited, 200);
    }
}
