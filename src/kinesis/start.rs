//! Where reading begins.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::time;

/// How much this machine's clock may err: AWS takes no call whose signature is further off.
const SKEW_MS: u64 = 300_000;

/// Where reading a shard begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Start {
    /// With the oldest record that there is.
    TrimHorizon,
    /// With what comes from now on.
    Latest,
    /// With the first record that arrived at this time or later, in ms since the epoch.
    At(u64),
    /// With the record behind the one of this sequence number.
    After(String),
}

/// A text that names no place to begin.
#[derive(Debug, PartialEq, Eq, Error)]
#[error(
    "'{0}' is no place in a stream; give trim-horizon, latest, or a time as 2026-01-31T18:00:00Z or in ms \
     since the epoch"
)]
pub struct StartError(String);

impl Start {
    /// Where to go on from this, asked for at `now_ms`, as long as no record came. A wall clock that is
    /// ahead loses nothing by it, as it takes up a little of what came before.
    pub fn resumable(self, now_ms: u64) -> Self {
        match self {
            Self::Latest => Self::At(now_ms.saturating_sub(SKEW_MS)),
            other => other,
        }
    }
}

impl FromStr for Start {
    type Err = StartError;

    fn from_str(text: &str) -> Result<Self, StartError> {
        match text {
            "trim-horizon" => Ok(Self::TrimHorizon),
            "latest" => Ok(Self::Latest),
            _ => {
                let ms = time::parse_ms(text).map(Self::At);
                ms.ok_or_else(|| StartError(text.to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_the_ends_of_a_stream_or_times() {
        assert_eq!("trim-horizon".parse(), Ok(Start::TrimHorizon));
        assert_eq!("latest".parse(), Ok(Start::Latest));
        assert_eq!("1620240001000".parse(), Ok(Start::At(1_620_240_001_000)));
        assert_eq!("2021-05-05T18:40:01Z".parse(), Ok(Start::At(1_620_240_001_000)));
        for text in ["", "now", "-1", "1969-12-31T00:00:00Z"] {
            assert_eq!(text.parse::<Start>(), Err(StartError(text.to_owned())));
        }
    }

    #[test]
    fn the_latest_is_gone_on_from_at_the_time_that_it_was_and_a_little_before() {
        assert_eq!(Start::Latest.resumable(1_000_000), Start::At(700_000));
        assert_eq!(Start::At(5).resumable(1_000_000), Start::At(5));
    }
}
