//! Where reading a shard starts.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::time::{self, TimeError};

/// The largest possible error of this machine's clock: AWS rejects signatures that are further off.
const SKEW_MS: u64 = 300_000;

/// Where reading a shard starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Start {
    /// At the oldest record that the stream still has.
    TrimHorizon,
    /// After the newest record: only records that arrive from now on.
    Latest,
    /// At the first record that arrived at this time or later, in ms since the epoch.
    At(u64),
    /// After the record with this sequence number.
    After(String),
}

/// A text that is not a valid start.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("'{0}' is not a position in a stream; write trim-horizon, latest or a time: {1}")]
pub struct StartError(String, TimeError);

impl Start {
    /// The start to resume from, if reading began here at `now_ms` and has returned no record yet.
    ///
    /// `Latest` becomes a time a little before `now_ms`. So no record is lost if this machine's clock is
    /// ahead of the stream's. Some older records may be read too.
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
                ms.map_err(|error| StartError(text.to_owned(), error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_the_ends_of_a_stream_and_times() {
        assert_eq!("trim-horizon".parse(), Ok(Start::TrimHorizon));
        assert_eq!("latest".parse(), Ok(Start::Latest));
        assert_eq!("1620240001000".parse(), Ok(Start::At(1_620_240_001_000)));
        assert_eq!("2021-05-05T18:40:01Z".parse(), Ok(Start::At(1_620_240_001_000)));
        for text in ["", "now", "-1", "1969-12-31T00:00:00Z"] {
            assert_eq!(text.parse::<Start>(), Err(StartError(text.to_owned(), TimeError::Format)));
        }
    }

    #[test]
    fn latest_resumes_at_a_time_a_little_before_its_first_read() {
        assert_eq!(Start::Latest.resumable(1_000_000), Start::At(700_000));
        assert_eq!(Start::At(5).resumable(1_000_000), Start::At(5));
    }
}
