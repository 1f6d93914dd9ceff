//! Kinesis data streams: read as a source, written by the simulator.

pub mod aggregate;
pub mod lineage;
pub mod shard;
pub mod stream;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

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
