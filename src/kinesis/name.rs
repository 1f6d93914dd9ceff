//! The name of a stream.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The prefix that distinguishes streams from paths and addresses.
const SCHEME: &str = "kinesis:";

/// The maximum length of a stream's name (Kinesis' API reference, "CreateStream").
const NAME_BYTES_MAX: usize = 128;

/// A stream's name, written `kinesis:<name>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamName(String);

/// A text that is not a valid stream name.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("'{0}' names no stream; write kinesis: and up to 128 letters, digits, '_', '.' or '-'")]
pub struct StreamNameError(String);

impl StreamName {
    /// The name without `kinesis:`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` begins with `kinesis:`. The rest may still be invalid.
    pub fn has_scheme(text: &str) -> bool {
        text.starts_with(SCHEME)
    }
}

impl FromStr for StreamName {
    type Err = StreamNameError;

    fn from_str(text: &str) -> Result<Self, StreamNameError> {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let name = text.strip_prefix(SCHEME).filter(|name| {
            !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(is_valid)
        });
        name.map(|name| Self(name.to_owned())).ok_or_else(|| StreamNameError(text.to_owned()))
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_names_that_kinesis_accepts() {
        let name: StreamName = "kinesis:races-1.of_5".parse().unwrap();
        assert_eq!(
            (name.as_str(), &name.to_string()[..]),
            ("races-1.of_5", "kinesis:races-1.of_5")
        );
        let long = format!("kinesis:{}", "x".repeat(129));
        for text in ["kinesis:", "races", "kinesis:a/b", "kinesis:ä", &long] {
            assert_eq!(text.parse::<StreamName>(), Err(StreamNameError(text.to_owned())));
        }
    }
}
