//! Kinesis data streams: read as a source, written by the simulator.
//!
//! ```text
//! source ──► a reader a shard, ──► chunks ──► decode ──► log ──► acknowledged ──► position
//!  shards     those that lineage     no further ahead of the slowest shard        ──► clock
//!  listed     allows                 than half of the grace
//! ```
//!
//! What a position says is durable in the log. So a record may be taken twice, which changes nothing, and
//! none is left out; where the stream has dropped some before they were read, that is told.

#[cfg(feature = "aws")]
pub mod aggregate;
#[cfg(feature = "aws")]
mod decode;
#[cfg(feature = "aws")]
mod faults;
#[cfg(feature = "aws")]
mod fronts;
#[cfg(feature = "aws")]
pub mod lineage;
#[cfg(feature = "aws")]
pub mod positions;
#[cfg(feature = "aws")]
mod progress;
#[cfg(feature = "aws")]
pub mod put;
#[cfg(feature = "aws")]
mod reading;
#[cfg(feature = "aws")]
mod replay;
#[cfg(feature = "aws")]
pub mod shard;
#[cfg(feature = "aws")]
mod source;
mod start;
#[cfg(feature = "aws")]
pub mod stream;
#[cfg(test)]
#[cfg(feature = "aws")]
mod tests;
#[cfg(not(feature = "aws"))]
mod without;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;
use tokio::sync::watch;
#[cfg(feature = "aws")]
use velodrome_dataflows::Rules;
use velodrome_dataflows::Scoring;

use crate::dead_letters::DeadLetters;
use crate::engine::Events;
use crate::log::Log;
#[cfg(feature = "aws")]
pub use replay::input;
#[cfg(feature = "aws")]
pub use source::{Source, SourceError};
pub use start::{Start, StartError};
#[cfg(not(feature = "aws"))]
pub use without::{NoAws, Source, SourceError, input};

/// How a stream is told from paths and addresses.
const SCHEME: &str = "kinesis:";

/// The longest name of a stream (Kinesis' API reference, "CreateStream").
const NAME_BYTES_MAX: usize = 128;

/// A stream's name, written `kinesis:<name>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamName(String);

/// A text that names no stream.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("'{0}' names no stream; write kinesis: and up to 128 letters, digits, '_', '.' or '-'")]
pub struct StreamNameError(String);

/// Which stream a service reads.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// The stream.
    pub stream: StreamName,
    /// Where it is begun, the first time.
    pub start: Start,
}

/// What a source gives its records to.
pub struct Sinks {
    /// The log.
    pub log: Log<Events>,
    /// For what is no event.
    pub letters: DeadLetters,
    /// The rules that hold, as they change.
    pub rules: watch::Receiver<Arc<Scoring>>,
}

/// How far a shard may be read ahead of the slowest: far enough within the grace that no ride is over before
/// the samples of a slower shard come.
#[cfg(feature = "aws")]
fn distance_ms(rules: &Rules) -> u64 {
    u64::from(rules.grace_seconds) * 1_000 / 2
}

#[cfg(feature = "aws")]
impl Sinks {
    /// How long races are.
    fn race_seconds(&self) -> u16 {
        self.rules.borrow().rules().race_seconds
    }

    /// How far a shard may be read ahead of the slowest.
    fn distance_ms(&self) -> u64 {
        distance_ms(self.rules.borrow().rules())
    }
}

impl StreamName {
    /// The name alone.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text is meant to name a stream.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(SCHEME)
    }
}

impl FromStr for StreamName {
    type Err = StreamNameError;

    fn from_str(text: &str) -> Result<Self, StreamNameError> {
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let name = text.strip_prefix(SCHEME).filter(|name| {
            !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(is_of_name)
        });
        name.map(|name| Self(name.to_owned())).ok_or_else(|| StreamNameError(text.to_owned()))
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.0)
    }
}
